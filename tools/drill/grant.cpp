// What can be tried with grants: a used one, a forged one, somebody else's.
#include "base/clock.h"
#include "base/pem_signer.h"
#include "grant/issue.h"
#include "tools/drill/module.h"

namespace mayfly::drill {
namespace {

constexpr char kUsed[] = "a grant that has opened its task";
constexpr char kForger[] = "a key of his own, and what every grant says";
constexpr char kHolder[] = "a good grant for something else";
constexpr char kNone[] = "a broker's configuration, and no grant";
constexpr char kTask[] = "drill-granted";

/// Opens a task that wants a grant, by this one.
CK_RV open_by(const Module& module, const Ground& ground, const std::string& grant,
              CK_SLOT_ID& slot) {
  return try_open_task(module, ground, {kTask, kWithGrant, 60, grant}, slot);
}

/// The outcome of one that must not open a task, where a good one does.
Outcome must_not_open(const Ground& ground, const std::string& grant) {
  const Module module(ground);
  CK_SLOT_ID slot = 0;
  expect_ok("MAYFLY_OpenTask by a good grant",
            open_by(module, ground, ground.grant_for(kTask), slot));
  expect_ok("MAYFLY_CloseTask", module.vendor().MAYFLY_CloseTask(slot));
  return must_refuse("MAYFLY_OpenTask", open_by(module, ground, grant, slot));
}

Outcome use_twice(const Ground& ground) {
  const Module module(ground);
  const std::string grant = ground.grant_for(kTask);
  CK_SLOT_ID slot = 0;
  expect_ok("MAYFLY_OpenTask, the first time", open_by(module, ground, grant, slot));
  expect_ok("MAYFLY_CloseTask", module.vendor().MAYFLY_CloseTask(slot));
  return must_refuse("MAYFLY_OpenTask, the second time", open_by(module, ground, grant, slot));
}

Outcome forge(const Ground& ground) {
  const grant::Grant claims = ground.claims(kTask);
  const auto thief = signer_of_pem(as_bytes(new_key_pem()));
  return must_not_open(ground, grant::issue(claims, "drill", *thief, claims.issued_at));
}

/// The claims of one grant under the signature of another.
Outcome alter(const Ground& ground) {
  const std::string small = ground.grant_for(kTask);
  const std::string large = ground.grant_for(kTask);
  return must_not_open(ground, large.substr(0, large.rfind('.')) + small.substr(small.rfind('.')));
}

Outcome use_expired(const Ground& ground) {
  grant::Grant claims = ground.claims(kTask);
  claims.issued_at -= 3'600;
  claims.expires = claims.issued_at + 60;
  return must_not_open(ground, grant::issue(claims, "drill", *ground.approver(), claims.issued_at));
}

Outcome use_for_another_task(const Ground& ground) {
  return must_not_open(ground, ground.grant_for("drill-another"));
}

Outcome use_at_another_broker(const Ground& ground) {
  grant::Grant claims = ground.claims(kTask);
  claims.audience = {"another broker"};
  return must_not_open(ground, grant::issue(claims, "drill", *ground.approver(), claims.issued_at));
}

Outcome do_without(const Ground& ground) {
  const Module module(ground);
  CK_SLOT_ID slot = 0;
  expect_ok("MAYFLY_OpenTask by a good grant",
            open_by(module, ground, ground.grant_for(kTask), slot));
  const MAYFLY_TASK_REQUEST request{"drill-ungranted", 60, kWithGrant, nullptr, nullptr};
  return must_refuse("MAYFLY_OpenTask", module.vendor().MAYFLY_OpenTask(&request, &slot));
}

}  // namespace

std::vector<Scenario> grant_scenarios() {
  using enum Safeguard;
  return {
      {"use-a-grant-twice",
       kUsed,
       "opens another task with it",
       "the grant is refused",
       {grant_spent},
       use_twice},
      {"forge-a-grant",
       kForger,
       "signs a grant himself, under an approver's name",
       "the grant is refused",
       {grant_signature},
       forge},
      {"alter-a-grant",
       kForger,
       "puts other claims under a good signature",
       "the grant is refused",
       {grant_signature},
       alter},
      {"use-an-expired-grant",
       kHolder,
       "opens the task long after the grant's end",
       "the grant is refused",
       {grant_time},
       use_expired},
      {"use-anothers-grant",
       kHolder,
       "opens a task with the grant of another one",
       "the grant is refused",
       {grant_place},
       use_for_another_task},
      {"use-a-grant-elsewhere",
       kHolder,
       "opens the task at a broker that the grant does not name",
       "the grant is refused",
       {grant_place},
       use_at_another_broker},
      {"do-without-a-grant",
       kNone,
       "opens a task that wants a grant without one",
       "the task is not opened",
       {grant_required},
       do_without},
  };
}

}  // namespace mayfly::drill
