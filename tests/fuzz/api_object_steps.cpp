// Steps of the hostile client: key pairs, objects and searches.
#include <algorithm>

#include "conformance/templates.h"
#include "fuzz/api_functions.h"
#include "fuzz/api_player.h"

namespace mayfly::test {
namespace {

constexpr KeySpec kSpecs[] = {{CKK_EC, 256}, {CKK_EC_EDWARDS, 255}};

/// What a template for a private key must not say, and the answers to it.
struct Hostile {
  Attribute attribute;
  CK_RV at_generation;
  CK_RV at_change;
};

const std::vector<Hostile>& hostile_attributes() {
  static const std::vector<Hostile> kAll = {
      {{CKA_SENSITIVE, false}, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY},
      {{CKA_EXTRACTABLE, true}, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY},
      {{CKA_LOCAL, true}, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {{CKA_NEVER_EXTRACTABLE, true}, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {{CKA_PRIVATE, false}, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY},
      {{CKA_MAYFLY_TASK_ID, "other"}, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {{CKA_SIGN, Bytes{}}, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID},
  };
  return kAll;
}

constexpr CK_ATTRIBUTE_TYPE kSecrets[] = {CKA_VALUE,      CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                          CKA_PRIME_2,    CKA_EXPONENT_1,       CKA_EXPONENT_2,
                                          CKA_COEFFICIENT};

Bytes get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  require(p11().C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK,
          "an object's own attribute can be read");
  Bytes value(wanted.ulValueLen);
  wanted.pValue = value.data();
  require(p11().C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK,
          "an attribute can be read into a place of its size");
  return value;
}

/// What must be true of every private key, whatever was asked for.
void check_private_key(CK_SESSION_HANDLE session, const ObjectModel& object) {
  for (const CK_ATTRIBUTE_TYPE yes :
       {CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL, CKA_PRIVATE}) {
    require(get(session, object.handle, yes) == flag_bytes(true), "a private key can't leave");
  }
  for (const CK_ATTRIBUTE_TYPE no :
       {CKA_EXTRACTABLE, CKA_DERIVE, CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN_RECOVER}) {
    require(get(session, object.handle, no) == flag_bytes(false), "a private key only signs");
  }
  for (const CK_ATTRIBUTE_TYPE secret : kSecrets) {
    Bytes room(512, 0xee);
    CK_ATTRIBUTE wanted{secret, room.data(), room.size()};
    require(
        p11().C_GetAttributeValue(session, object.handle, &wanted, 1) == CKR_ATTRIBUTE_SENSITIVE,
        "secret attributes are CKR_ATTRIBUTE_SENSITIVE");
    require(room == Bytes(512, 0xee) && wanted.ulValueLen == CK_UNAVAILABLE_INFORMATION,
            "nothing is written for a secret attribute");
  }
  require(equal(get(session, object.handle, CKA_MAYFLY_TASK_ID), as_bytes(object.task->id)),
          "a key says whose it is");
}

}  // namespace

void Player::generate() {
  const SessionChoice at = choose_session();
  const KeySpec& spec = input_.pick(kSpecs);
  const std::uint8_t form = input_.byte();
  const bool token = (form & 1) != 0;
  const Hostile* const hostile =
      form < 0xd0 ? nullptr : &hostile_attributes()[form % hostile_attributes().size()];
  Template public_wanted{{CKA_EC_PARAMS, to_bytes(ec_params(spec))}, {CKA_TOKEN, token}};
  Template private_wanted{{CKA_TOKEN, token}};
  if (hostile != nullptr) private_wanted.add(hostile->attribute);
  CK_MECHANISM mechanism{spec.type == CKK_EC ? CKM_EC_KEY_PAIR_GEN : CKM_EC_EDWARDS_KEY_PAIR_GEN,
                         nullptr, 0};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  Answers answers("C_GenerateKeyPair");
  judge_session(answers, at)
      .fault(hostile != nullptr, hostile != nullptr ? hostile->at_generation : CKR_OK)
      .fault(token && at.session != nullptr && !at.session->read_write, CKR_SESSION_READ_ONLY)
      .fault(at.session != nullptr && !model_.has_access(*at.session->task),
             CKR_USER_NOT_LOGGED_IN);
  const CK_RV rv = p11().C_GenerateKeyPair(at.handle, &mechanism, public_wanted.data(),
                                           public_wanted.size(), private_wanted.data(),
                                           private_wanted.size(), &public_key, &private_key);
  if (answers.judge(rv)) add_pair(*at.session, token, public_key, private_key);
}

void Player::add_pair(SessionModel& session, bool token, CK_OBJECT_HANDLE public_handle,
                      CK_OBJECT_HANDLE private_handle) {
  for (const ObjectModel& object : model_.objects) {
    require(object.handle != public_handle && object.handle != private_handle,
            "handles of objects are new");
  }
  const auto spec = spec_of_ec_params(get(session.handle, public_handle, CKA_EC_PARAMS));
  require(spec.has_value(), "a public key names its curve");
  const auto point = decode_ec_point(*spec, get(session.handle, public_handle, CKA_EC_POINT));
  require(point.has_value(), "a public key has its point");
  model_.keys.push_back({PublicKey::from_point(*spec, *point)});
  KeyModel* const key = &model_.keys.back();
  model_.objects.push_back({public_handle, CKO_PUBLIC_KEY, session.task, &session, token, key});
  model_.objects.push_back({private_handle, CKO_PRIVATE_KEY, session.task, &session, token, key});
  check_private_key(session.handle, model_.objects.back());
}

void Player::create_object() {
  static constexpr CK_OBJECT_CLASS kClasses[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_DATA};
  const SessionChoice at = choose_session();
  const CK_OBJECT_CLASS object_class = input_.pick(kClasses);
  Template wanted{{CKA_CLASS, object_class},
                  {CKA_KEY_TYPE, CK_ULONG{CKK_EC}},
                  {CKA_EC_PARAMS, to_bytes(ec_params({CKK_EC, 256}))},
                  {CKA_VALUE, to_bytes(input_.short_piece())}};
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  Answers answers("C_CreateObject");
  judge_session(answers, at)
      .fault(true, CKR_ATTRIBUTE_VALUE_INVALID)
      .fault(at.session != nullptr && !model_.has_access(*at.session->task),
             CKR_USER_NOT_LOGGED_IN);
  require(!answers.judge(p11().C_CreateObject(at.handle, wanted.data(), wanted.size(), &handle)),
          "secrets can't be imported");
}

void Player::copy_object() {
  const SessionChoice at = choose_session();
  const ObjectChoice from = choose_object(at.session);
  const std::uint8_t form = input_.byte();
  const bool token = (form & 1) != 0;
  const bool private_key = from.object != nullptr && from.object->object_class == CKO_PRIVATE_KEY;
  const Hostile* const hostile = form < 0xd0 || !private_key
                                     ? nullptr
                                     : &hostile_attributes()[form % hostile_attributes().size()];
  // What an attribute says already may be said again.
  const bool harmless = hostile != nullptr && (hostile->attribute.type == CKA_LOCAL ||
                                               hostile->attribute.type == CKA_NEVER_EXTRACTABLE);
  Template wanted{{CKA_TOKEN, token}};
  if (hostile != nullptr && !harmless) wanted.add(hostile->attribute);
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  Answers answers("C_CopyObject");
  judge_session(answers, at)
      .fault(from.object == nullptr, CKR_OBJECT_HANDLE_INVALID)
      .fault(hostile != nullptr && !harmless, hostile != nullptr ? hostile->at_change : CKR_OK)
      .fault(token && at.session != nullptr && !at.session->read_write, CKR_SESSION_READ_ONLY);
  const CK_RV rv =
      p11().C_CopyObject(at.handle, from.handle, wanted.data(), wanted.size(), &handle);
  if (!answers.judge(rv)) return;
  const ObjectModel& original = *from.object;
  if (private_key) ++original.key->names;
  model_.objects.push_back(
      {handle, original.object_class, original.task, at.session, token, original.key});
  if (private_key) check_private_key(at.handle, model_.objects.back());
}

void Player::destroy_object() {
  const SessionChoice at = choose_session();
  const ObjectChoice doomed = choose_object(at.session);
  Answers answers("C_DestroyObject");
  judge_session(answers, at)
      .fault(doomed.object == nullptr, CKR_OBJECT_HANDLE_INVALID)
      .fault(doomed.object != nullptr && doomed.object->is_token && !at.session->read_write,
             CKR_SESSION_READ_ONLY);
  if (answers.judge(p11().C_DestroyObject(at.handle, doomed.handle)))
    model_.destroy(*doomed.object);
}

void Player::get_attribute() {
  const SessionChoice at = choose_session();
  const ObjectChoice of = choose_object(at.session);
  Bytes room(input_.byte());
  CK_ATTRIBUTE wanted{CKA_CLASS, room.data(), room.size()};
  Answers answers("C_GetAttributeValue");
  judge_session(answers, at)
      .fault(of.object == nullptr, CKR_OBJECT_HANDLE_INVALID)
      .fault(!room.empty() && room.size() < sizeof(CK_ULONG), CKR_BUFFER_TOO_SMALL);
  if (!answers.judge(p11().C_GetAttributeValue(at.handle, of.handle, &wanted, 1))) return;
  require(wanted.ulValueLen == sizeof(CK_ULONG), "a length is told");
  if (of.object->object_class == CKO_PRIVATE_KEY) check_private_key(at.handle, *of.object);
}

void Player::set_attribute() {
  const SessionChoice at = choose_session();
  const ObjectChoice of = choose_object(at.session);
  const std::uint8_t form = input_.byte();
  const bool hostile = form >= 0x80;
  Template wanted{hostile ? Attribute(CKA_SENSITIVE, false) : Attribute(CKA_LABEL, "renamed")};
  const bool known = of.object != nullptr && of.object->object_class == CKO_PRIVATE_KEY;
  Answers answers("C_SetAttributeValue");
  judge_session(answers, at)
      .fault(of.object == nullptr, CKR_OBJECT_HANDLE_INVALID)
      .fault(hostile, known ? CKR_ATTRIBUTE_READ_ONLY : CKR_ATTRIBUTE_TYPE_INVALID)
      .fault(of.object != nullptr && of.object->is_token && !at.session->read_write,
             CKR_SESSION_READ_ONLY);
  answers.judge(p11().C_SetAttributeValue(at.handle, of.handle, wanted.data(), wanted.size()));
}

void Player::search_begin() {
  const SessionChoice at = choose_session();
  Answers answers("C_FindObjectsInit");
  judge_session(answers, at)
      .fault(at.session != nullptr && at.session->searching, CKR_OPERATION_ACTIVE);
  if (answers.judge(p11().C_FindObjectsInit(at.handle, nullptr, 0))) at.session->searching = true;
}

void Player::search_next() {
  const SessionChoice at = choose_session();
  const bool idle = at.session != nullptr && !at.session->searching;
  Answers final("C_FindObjectsFinal");
  judge_session(final, at).fault(idle, CKR_OPERATION_NOT_INITIALIZED);
  if (!final.judge(p11().C_FindObjectsFinal(at.handle))) return;
  at.session->searching = false;

  // A search that begins and ends here finds what there is now.
  std::vector<CK_OBJECT_HANDLE> found(256);
  CK_ULONG count = 0;
  require(p11().C_FindObjectsInit(at.handle, nullptr, 0) == CKR_OK &&
              p11().C_FindObjects(at.handle, found.data(), found.size(), &count) == CKR_OK &&
              p11().C_FindObjectsFinal(at.handle) == CKR_OK,
          "a search that was ended can begin again");
  found.resize(count);
  check_found(*at.session, found);
}

void Player::check_found(const SessionModel& session, const std::vector<CK_OBJECT_HANDLE>& found) {
  std::size_t expected = 1;  // the task's data object
  for (const ObjectModel& object : model_.objects) {
    if (!model_.is_visible(object, *session.task)) continue;
    ++expected;
    // A token object may have lost its handle by a logout.
    require(object.handle == CK_INVALID_HANDLE || std::ranges::count(found, object.handle) == 1,
            "a search finds what there is");
  }
  require(found.size() == expected, "a search finds nothing else");
  for (const CK_OBJECT_HANDLE handle : found) {
    for (const ObjectModel& object : model_.objects) {
      require(object.handle != handle || model_.is_visible(object, *session.task),
              "a search finds nothing that has gone, and nothing of another task");
    }
  }
}

}  // namespace mayfly::test
