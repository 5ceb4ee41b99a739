// A worker is told exactly what its broker has planned.
#include "tools/broker/worker_orders.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/json_reader.h"

namespace mayfly::broker {
namespace {

WorkerOrders sample() {
  WorkerOrders orders;
  orders.config_file = "/etc/mayfly/mayfly.toml";
  orders.config_text = "[device]\n# \"quotes\" and \\\n";
  TaskPlan& plan = orders.plan;
  plan.id = "invoice \xc3\xa4";
  plan.serial = "0123456789abcdef";
  plan.deadline = BootClock::time_point(std::chrono::nanoseconds(12'345'678'901'234'567));
  plan.deadline_unix_s = 1'800'000'000;
  plan.policy.strict_usage = true;
  plan.policy.login_required = true;
  plan.policy.mechanisms = MechanismSet();
  plan.policy.mechanisms.insert(*find_signing_mechanism("CKM_ECDSA"));
  plan.policy.keys = KeySpecSet();
  plan.policy.keys.insert(find_key_spec("EC P-256").value());
  plan.policy.max_objects = 5;
  plan.policy.max_keys = 2;
  plan.policy.max_signatures = 10;
  plan.policy.max_rate = 3;
  plan.policy.max_ttl = std::chrono::hours(1);
  plan.policy.max_depth = 2;
  plan.origin = {"agent", "thumbprint", "boss", "jti", {"pay", "read"}};
  orders.user = 1000;
  orders.p11kit = 7;
  orders.agents = 8;
  orders.first = 9;
  orders.first_is_p11kits = true;
  return orders;
}

void expect_same(const WorkerOrders& read, const WorkerOrders& written) {
  EXPECT_EQ(read.config_file, written.config_file);
  EXPECT_EQ(read.config_text, written.config_text);
  EXPECT_EQ(read.plan.id, written.plan.id);
  EXPECT_EQ(read.plan.serial, written.plan.serial);
  EXPECT_EQ(read.plan.deadline, written.plan.deadline);
  EXPECT_EQ(read.plan.deadline_unix_s, written.plan.deadline_unix_s);
  EXPECT_EQ(read.plan.policy, written.plan.policy);
  EXPECT_EQ(read.plan.origin.agent, written.plan.origin.agent);
  EXPECT_EQ(read.plan.origin.approver, written.plan.origin.approver);
  EXPECT_EQ(read.plan.origin.issuer, written.plan.origin.issuer);
  EXPECT_EQ(read.plan.origin.grant_id, written.plan.origin.grant_id);
  EXPECT_EQ(read.plan.origin.scope, written.plan.origin.scope);
  EXPECT_EQ(read.user, written.user);
  EXPECT_EQ(read.p11kit, written.p11kit);
  EXPECT_EQ(read.agents, written.agents);
  EXPECT_EQ(read.first, written.first);
  EXPECT_EQ(read.first_is_p11kits, written.first_is_p11kits);
}

TEST(WorkerOrders, ReadBackAsTheyWereWritten) {
  expect_same(parse_orders(to_json(sample())), sample());
}

TEST(WorkerOrders, APolicyWithoutLimitsStaysOne) {
  WorkerOrders orders = sample();
  orders.plan.policy = {};
  orders.first = -1;
  orders.first_is_p11kits = false;
  expect_same(parse_orders(to_json(orders)), orders);
}

TEST(WorkerOrders, GoThroughAFileThatNobodyCanChange) {
  const Descriptor file = make_orders_file(to_json(sample()));
  EXPECT_EQ(read_orders_file(file), to_json(sample()));
  EXPECT_LT(pwrite(file.number(), "x", 1, 0), 0);
  EXPECT_NE(ftruncate(file.number(), 0), 0);
}

TEST(WorkerOrders, AnythingElseIsRefused) {
  const nlohmann::json good = nlohmann::json::parse(to_json(sample()));
  for (const auto& [member, value] : good.items()) {
    nlohmann::json bad = good;
    bad.erase(member);
    EXPECT_THROW(static_cast<void>(parse_orders(bad.dump())), JsonError) << member;
  }
  nlohmann::json bad = good;
  bad["more"] = 1;
  EXPECT_THROW(static_cast<void>(parse_orders(bad.dump())), JsonError);
  bad = good;
  bad["plan"]["policy"]["mechanisms"] = {"CKM_WHATEVER"};
  EXPECT_THROW(static_cast<void>(parse_orders(bad.dump())), JsonError);
  bad = good;
  bad["plan"]["id"] = "a\nb";
  EXPECT_THROW(static_cast<void>(parse_orders(bad.dump())), Error);
}

}  // namespace
}  // namespace mayfly::broker
