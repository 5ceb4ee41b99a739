// Value: lists.
#include <grp.h>
#include <limits>
#include <optional>
#include <pwd.h>

#include "config/value.h"

namespace mayfly {
namespace {

constexpr std::size_t kRoomForAnAccount = std::size_t{64} * 1024;

/// The number of an account of this machine.
template <typename Id, typename Record, typename Look>
std::optional<Id> look_up(const std::string& name, Look&& look, Id Record::*number) {
  Record record{};
  Record* found = nullptr;
  std::string room(kRoomForAnAccount, '\0');
  if (look(name.c_str(), &record, room.data(), room.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return record.*number;
}

}  // namespace

template <typename Take>
void Value::for_each(std::string_view wanted, Take&& take) const {
  const toml::array* const array = node_.as_array();
  if (array == nullptr || array->empty()) {
    fail("must be a list of " + std::string(wanted) + "; write [ … ] with at least one in it");
  }
  for (const toml::node& entry : *array) take(Value(entry, name_, file_));
}

MechanismSet Value::mechanisms() const {
  MechanismSet result;
  for_each("mechanisms", [&](const Value& entry) {
    const Mechanism* const row = find_signing_mechanism(entry.string("a mechanism"));
    if (row == nullptr) {
      entry.fail("names no mechanism that signs; choose of " + names_of(MechanismSet::all()));
    }
    result.insert(*row);
  });
  return result;
}

KeySpecSet Value::key_kinds() const {
  KeySpecSet result;
  for_each("kinds of keys", [&](const Value& entry) {
    const auto kind = find_key_spec(entry.string("a kind of keys"));
    if (!kind) entry.fail("names no kind of keys; choose of " + names_of(KeySpecSet::all()));
    result.insert(*kind);
  });
  return result;
}

template <typename Id, typename Find>
std::set<Id> Value::accounts(const char* what, Find&& find) const {
  std::set<Id> result;
  for_each(std::string(what) + "s", [&](const Value& entry) {
    if (entry.node_.is_integer()) {
      // The largest number is nobody's: it stands for "none" in system calls.
      result.insert(static_cast<Id>(entry.number(0, std::numeric_limits<Id>::max() - 1)));
      return;
    }
    const auto found = find(entry.text());
    if (!found) {
      entry.fail(std::string("names no ") + what +
                 " of this machine; write one that there is, or its number without quotes");
    }
    result.insert(*found);
  });
  return result;
}

std::set<uid_t> Value::users() const {
  return accounts<uid_t>("user", [](const std::string& name) {
    return look_up<uid_t>(name, getpwnam_r, &passwd::pw_uid);
  });
}

std::set<gid_t> Value::groups() const {
  return accounts<gid_t>("group", [](const std::string& name) {
    return look_up<gid_t>(name, getgrnam_r, &group::gr_gid);
  });
}

}  // namespace mayfly
