#include "tools/broker/rpc_calls.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tools/broker/rpc_attributes.h"

namespace mayfly::broker {
namespace {

using Functions = CK_FUNCTION_LIST;
using In = RpcReader;
using Out = RpcWriter;
using Run = CK_RV (*)(const Functions&, In&, Out&);

/// What a client that speaks this protocol introduces itself with at C_Initialize.
constexpr std::string_view kHandshake("PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1");

/// Most results are short; a client may say that it has room for 4 GiB.
constexpr std::size_t kMaxResult = 128 * 1024;

template <std::size_t kSize>
ByteView view(const CK_BYTE (&text)[kSize]) noexcept {
  return {text, kSize};
}

CK_RV initialize(const Functions& functions, In& in, Out&) {
  const In::Data handshake = in.bytes();
  static_cast<void>(in.byte());
  static_cast<void>(in.bytes());  // the client's pReserved: a connection belongs to its task
  in.end();
  if (handshake.data == nullptr || !equal({handshake.data, handshake.size}, as_bytes(kHandshake))) {
    throw MalformedMessage("C_Initialize does not begin as p11-kit's does");
  }
  return functions.C_Initialize(nullptr);
}

CK_RV finalize(const Functions& functions, In& in, Out&) {
  in.end();
  return functions.C_Finalize(nullptr);
}

CK_RV get_info(const Functions& functions, In& in, Out& out) {
  in.end();
  CK_INFO info{};
  const CK_RV rv = functions.C_GetInfo(&info);
  out.version(info.cryptokiVersion);
  out.string(view(info.manufacturerID));
  out.ulong(info.flags);
  out.string(view(info.libraryDescription));
  out.version(info.libraryVersion);
  return rv;
}

/// The answer of a function that fills a list; too small a one is an answer as well.
template <typename Fill>
CK_RV list(In& in, Out& out, Fill&& fill) {
  const std::size_t room = std::min<std::size_t>(in.u32(), kMaxResult);
  in.end();
  std::vector<CK_ULONG> values(room);
  CK_ULONG count = room;
  const CK_RV rv = fill(values.empty() ? nullptr : values.data(), &count);
  const bool is_filled = rv == CKR_OK && !values.empty();
  out.ulongs(is_filled ? values.data() : nullptr, count);
  return rv == CKR_BUFFER_TOO_SMALL ? CKR_OK : rv;
}

CK_RV get_slot_list(const Functions& functions, In& in, Out& out) {
  const CK_BBOOL present = in.byte();
  return list(in, out, [&](CK_ULONG* values, CK_ULONG* count) {
    return functions.C_GetSlotList(present, values, count);
  });
}

CK_RV get_mechanism_list(const Functions& functions, In& in, Out& out) {
  const CK_SLOT_ID slot = in.ulong();
  return list(in, out, [&](CK_ULONG* values, CK_ULONG* count) {
    return functions.C_GetMechanismList(slot, values, count);
  });
}

CK_RV find_objects(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  return list(in, out, [&](CK_ULONG* values, CK_ULONG* count) {
    return functions.C_FindObjects(session, values, *count, count);
  });
}

CK_RV get_slot_info(const Functions& functions, In& in, Out& out) {
  const CK_SLOT_ID slot = in.ulong();
  in.end();
  CK_SLOT_INFO info{};
  const CK_RV rv = functions.C_GetSlotInfo(slot, &info);
  out.string(view(info.slotDescription));
  out.string(view(info.manufacturerID));
  out.ulong(info.flags);
  out.version(info.hardwareVersion);
  out.version(info.firmwareVersion);
  return rv;
}

CK_RV get_token_info(const Functions& functions, In& in, Out& out) {
  const CK_SLOT_ID slot = in.ulong();
  in.end();
  CK_TOKEN_INFO info{};
  const CK_RV rv = functions.C_GetTokenInfo(slot, &info);
  out.string(view(info.label));
  out.string(view(info.manufacturerID));
  out.string(view(info.model));
  out.string(view(info.serialNumber));
  for (const CK_ULONG number :
       {info.flags, info.ulMaxSessionCount, info.ulSessionCount, info.ulMaxRwSessionCount,
        info.ulRwSessionCount, info.ulMaxPinLen, info.ulMinPinLen, info.ulTotalPublicMemory,
        info.ulFreePublicMemory, info.ulTotalPrivateMemory, info.ulFreePrivateMemory}) {
    out.ulong(number);
  }
  out.version(info.hardwareVersion);
  out.version(info.firmwareVersion);
  out.string(view(info.utcTime));
  return rv;
}

CK_RV get_mechanism_info(const Functions& functions, In& in, Out& out) {
  const CK_SLOT_ID slot = in.ulong();
  const CK_MECHANISM_TYPE type = in.ulong();
  in.end();
  CK_MECHANISM_INFO info{};
  const CK_RV rv = functions.C_GetMechanismInfo(slot, type, &info);
  out.ulong(info.ulMinKeySize);
  out.ulong(info.ulMaxKeySize);
  out.ulong(info.flags);
  return rv;
}

CK_RV wait_for_slot_event(const Functions& functions, In& in, Out& out) {
  const CK_FLAGS flags = in.ulong();
  in.end();
  CK_SLOT_ID slot = 0;
  const CK_RV rv = functions.C_WaitForSlotEvent(flags, &slot, nullptr);
  out.ulong(slot);
  return rv;
}

CK_RV open_session(const Functions& functions, In& in, Out& out) {
  const CK_SLOT_ID slot = in.ulong();
  const CK_FLAGS flags = in.ulong();
  in.end();
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  const CK_RV rv = functions.C_OpenSession(slot, flags, nullptr, nullptr, &session);
  out.ulong(session);
  return rv;
}

CK_RV get_session_info(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  in.end();
  CK_SESSION_INFO info{};
  const CK_RV rv = functions.C_GetSessionInfo(session, &info);
  out.ulong(info.slotID);
  out.ulong(info.state);
  out.ulong(info.flags);
  out.ulong(info.ulDeviceError);
  return rv;
}

CK_RV login(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  const CK_USER_TYPE user = in.ulong();
  const In::Data pin = in.bytes();
  in.end();
  return functions.C_Login(session, user, pin.data, pin.size);
}

CK_RV create_object(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  RpcTemplate attributes = RpcTemplate::with_values(in);
  in.end();
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  const CK_RV rv = functions.C_CreateObject(session, attributes.data(), attributes.size(), &object);
  out.ulong(object);
  return rv;
}

CK_RV copy_object(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  const CK_OBJECT_HANDLE object = in.ulong();
  RpcTemplate attributes = RpcTemplate::with_values(in);
  in.end();
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  const CK_RV rv =
      functions.C_CopyObject(session, object, attributes.data(), attributes.size(), &copy);
  out.ulong(copy);
  return rv;
}

CK_RV get_object_size(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  const CK_OBJECT_HANDLE object = in.ulong();
  in.end();
  CK_ULONG size = 0;
  const CK_RV rv = functions.C_GetObjectSize(session, object, &size);
  out.ulong(size);
  return rv;
}

CK_RV get_attribute_value(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  const CK_OBJECT_HANDLE object = in.ulong();
  RpcTemplate attributes = RpcTemplate::asked_for(in);
  in.end();
  const CK_RV rv =
      functions.C_GetAttributeValue(session, object, attributes.data(), attributes.size());
  // These are answers about single attributes; the others have their values.
  if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE && rv != CKR_ATTRIBUTE_TYPE_INVALID &&
      rv != CKR_BUFFER_TOO_SMALL) {
    return rv;
  }
  attributes.write(out);
  out.ulong(rv);
  return CKR_OK;
}

CK_RV set_attribute_value(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  const CK_OBJECT_HANDLE object = in.ulong();
  RpcTemplate attributes = RpcTemplate::with_values(in);
  in.end();
  return functions.C_SetAttributeValue(session, object, attributes.data(), attributes.size());
}

CK_RV find_objects_init(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  RpcTemplate attributes = RpcTemplate::with_values(in);
  in.end();
  return functions.C_FindObjectsInit(session, attributes.data(), attributes.size());
}

CK_RV digest_init(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  RpcMechanism mechanism(in);
  in.end();
  return functions.C_DigestInit(session, mechanism.get());
}

/// C_SignInit and C_VerifyInit.
template <auto kFunction>
CK_RV init(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  RpcMechanism mechanism(in);
  // A parameter in a form that is not known here ends elsewhere.
  if (in.left() != sizeof(CK_ULONG)) refuse_parameter();
  const CK_OBJECT_HANDLE key = in.ulong();
  return (functions.*kFunction)(session, mechanism.get(), key);
}

/// The answer of a function that gives bytes; too small a buffer is an answer as well.
template <typename Fill>
CK_RV produce(std::size_t wanted, Out& out, Fill&& fill) {
  std::array<CK_BYTE, 1024> buffer;  // enough for what a well-behaved client gets
  Bytes big;
  const std::size_t room = std::min(wanted, kMaxResult);
  if (room > buffer.size()) big.resize(room);
  CK_BYTE_PTR const place = room > buffer.size() ? big.data() : buffer.data();
  CK_ULONG size = room;
  const CK_RV rv = fill(wanted == 0 ? nullptr : place, &size);
  out.bytes(rv == CKR_OK && wanted != 0 ? place : nullptr, size);
  return rv == CKR_BUFFER_TOO_SMALL ? CKR_OK : rv;
}

/// C_Sign and C_Digest.
template <auto kFunction>
CK_RV transform(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  const In::Data data = in.bytes();
  const std::size_t wanted = in.u32();
  in.end();
  return produce(wanted, out, [&](CK_BYTE_PTR result, CK_ULONG* size) {
    return (functions.*kFunction)(session, data.data, data.size, result, size);
  });
}

/// C_SignFinal and C_DigestFinal.
template <auto kFunction>
CK_RV finish(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  const std::size_t wanted = in.u32();
  in.end();
  return produce(wanted, out, [&](CK_BYTE_PTR result, CK_ULONG* size) {
    return (functions.*kFunction)(session, result, size);
  });
}

CK_RV generate_random(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  const std::size_t wanted = in.u32();
  in.end();
  if (wanted > kMaxResult) {
    throw Error(CKR_ARGUMENTS_BAD,
                "more than " + std::to_string(kMaxResult) + " random bytes at once");
  }
  return produce(wanted, out, [&](CK_BYTE_PTR result, const CK_ULONG* size) {
    return functions.C_GenerateRandom(session, result, *size);
  });
}

CK_RV verify(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  const In::Data data = in.bytes();
  const In::Data signature = in.bytes();
  in.end();
  return functions.C_Verify(session, data.data, data.size, signature.data, signature.size);
}

/// Functions of a session, or of a slot, that take bytes.
template <auto kFunction>
CK_RV take(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  const In::Data data = in.bytes();
  in.end();
  return (functions.*kFunction)(session, data.data, data.size);
}

/// Functions of a session, or of a slot, alone.
template <auto kFunction>
CK_RV act(const Functions& functions, In& in, Out&) {
  const CK_ULONG target = in.ulong();
  in.end();
  return (functions.*kFunction)(target);
}

CK_RV destroy_object(const Functions& functions, In& in, Out&) {
  const CK_SESSION_HANDLE session = in.ulong();
  const CK_OBJECT_HANDLE object = in.ulong();
  in.end();
  return functions.C_DestroyObject(session, object);
}

CK_RV generate_key_pair(const Functions& functions, In& in, Out& out) {
  const CK_SESSION_HANDLE session = in.ulong();
  RpcMechanism mechanism(in);
  RpcTemplate for_public = RpcTemplate::with_values(in);
  RpcTemplate for_private = RpcTemplate::with_values(in);
  in.end();
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  const CK_RV rv = functions.C_GenerateKeyPair(session, mechanism.get(), for_public.data(),
                                               for_public.size(), for_private.data(),
                                               for_private.size(), &public_key, &private_key);
  out.ulong(public_key);
  out.ulong(private_key);
  return rv;
}

template <typename Function>
struct Refusal;

template <typename... Arguments>
struct Refusal<CK_RV (*)(CK_ULONG, Arguments...)> {
  static CK_RV call(CK_RV (*function)(CK_ULONG, Arguments...), CK_ULONG target) {
    return function(target, Arguments{}...);
  }
};

/// Functions that the module does not offer: it says so for the session or slot, and does not look
/// at the rest. Neither is that read here.
template <auto kFunction>
CK_RV not_offered(const Functions& functions, In& in, Out&) {
  const auto function = functions.*kFunction;
  const CK_RV rv = Refusal<std::remove_const_t<decltype(function)>>::call(function, in.ulong());
  return rv == CKR_OK ? CKR_FUNCTION_NOT_SUPPORTED : rv;  // there is no answer for it
}

#define CALL(name, request, answer, run) \
  { #name, request, answer, run }
#define WITH(name, run) run<&Functions::name>

/// By number, from 1 on.
constexpr RpcCall kCalls[] = {
    CALL(C_Initialize, "ayyay", "", initialize),
    CALL(C_Finalize, "", "", finalize),
    CALL(C_GetInfo, "", "vsusv", get_info),
    CALL(C_GetSlotList, "yfu", "au", get_slot_list),
    CALL(C_GetSlotInfo, "u", "ssuvv", get_slot_info),
    CALL(C_GetTokenInfo, "u", "ssssuuuuuuuuuuuvvs", get_token_info),
    CALL(C_GetMechanismList, "ufu", "au", get_mechanism_list),
    CALL(C_GetMechanismInfo, "uu", "uuu", get_mechanism_info),
    CALL(C_InitToken, "uayz", "", WITH(C_InitToken, not_offered)),
    CALL(C_OpenSession, "uu", "u", open_session),
    CALL(C_CloseSession, "u", "", WITH(C_CloseSession, act)),
    CALL(C_CloseAllSessions, "u", "", WITH(C_CloseAllSessions, act)),
    CALL(C_GetSessionInfo, "u", "uuuu", get_session_info),
    CALL(C_InitPIN, "uay", "", WITH(C_InitPIN, not_offered)),
    CALL(C_SetPIN, "uayay", "", WITH(C_SetPIN, not_offered)),
    CALL(C_GetOperationState, "ufy", "ay", WITH(C_GetOperationState, not_offered)),
    CALL(C_SetOperationState, "uayuu", "", WITH(C_SetOperationState, not_offered)),
    CALL(C_Login, "uuay", "", login),
    CALL(C_Logout, "u", "", WITH(C_Logout, act)),
    CALL(C_CreateObject, "uaA", "u", create_object),
    CALL(C_CopyObject, "uuaA", "u", copy_object),
    CALL(C_DestroyObject, "uu", "", destroy_object),
    CALL(C_GetObjectSize, "uu", "u", get_object_size),
    CALL(C_GetAttributeValue, "uufA", "aAu", get_attribute_value),
    CALL(C_SetAttributeValue, "uuaA", "", set_attribute_value),
    CALL(C_FindObjectsInit, "uaA", "", find_objects_init),
    CALL(C_FindObjects, "ufu", "au", find_objects),
    CALL(C_FindObjectsFinal, "u", "", WITH(C_FindObjectsFinal, act)),
    CALL(C_EncryptInit, "uMu", "", WITH(C_EncryptInit, not_offered)),
    CALL(C_Encrypt, "uayfy", "ay", WITH(C_Encrypt, not_offered)),
    CALL(C_EncryptUpdate, "uayfy", "ay", WITH(C_EncryptUpdate, not_offered)),
    CALL(C_EncryptFinal, "ufy", "ay", WITH(C_EncryptFinal, not_offered)),
    CALL(C_DecryptInit, "uMu", "", WITH(C_DecryptInit, not_offered)),
    CALL(C_Decrypt, "uayfy", "ay", WITH(C_Decrypt, not_offered)),
    CALL(C_DecryptUpdate, "uayfy", "ay", WITH(C_DecryptUpdate, not_offered)),
    CALL(C_DecryptFinal, "ufy", "ay", WITH(C_DecryptFinal, not_offered)),
    CALL(C_DigestInit, "uM", "", digest_init),
    CALL(C_Digest, "uayfy", "ay", WITH(C_Digest, transform)),
    CALL(C_DigestUpdate, "uay", "", WITH(C_DigestUpdate, take)),
    CALL(C_DigestKey, "uu", "", WITH(C_DigestKey, not_offered)),
    CALL(C_DigestFinal, "ufy", "ay", WITH(C_DigestFinal, finish)),
    CALL(C_SignInit, "uMu", "", WITH(C_SignInit, init)),
    CALL(C_Sign, "uayfy", "ay", WITH(C_Sign, transform)),
    CALL(C_SignUpdate, "uay", "", WITH(C_SignUpdate, take)),
    CALL(C_SignFinal, "ufy", "ay", WITH(C_SignFinal, finish)),
    CALL(C_SignRecoverInit, "uMu", "", WITH(C_SignRecoverInit, not_offered)),
    CALL(C_SignRecover, "uayfy", "ay", WITH(C_SignRecover, not_offered)),
    CALL(C_VerifyInit, "uMu", "", WITH(C_VerifyInit, init)),
    CALL(C_Verify, "uayay", "", verify),
    CALL(C_VerifyUpdate, "uay", "", WITH(C_VerifyUpdate, take)),
    CALL(C_VerifyFinal, "uay", "", WITH(C_VerifyFinal, take)),
    CALL(C_VerifyRecoverInit, "uMu", "", WITH(C_VerifyRecoverInit, not_offered)),
    CALL(C_VerifyRecover, "uayfy", "ay", WITH(C_VerifyRecover, not_offered)),
    CALL(C_DigestEncryptUpdate, "uayfy", "ay", WITH(C_DigestEncryptUpdate, not_offered)),
    CALL(C_DecryptDigestUpdate, "uayfy", "ay", WITH(C_DecryptDigestUpdate, not_offered)),
    CALL(C_SignEncryptUpdate, "uayfy", "ay", WITH(C_SignEncryptUpdate, not_offered)),
    CALL(C_DecryptVerifyUpdate, "uayfy", "ay", WITH(C_DecryptVerifyUpdate, not_offered)),
    CALL(C_GenerateKey, "uMaA", "u", WITH(C_GenerateKey, not_offered)),
    CALL(C_GenerateKeyPair, "uMaAaA", "uu", generate_key_pair),
    CALL(C_WrapKey, "uMuufy", "ay", WITH(C_WrapKey, not_offered)),
    CALL(C_UnwrapKey, "uMuayaA", "u", WITH(C_UnwrapKey, not_offered)),
    CALL(C_DeriveKey, "uMuaA", "u", WITH(C_DeriveKey, not_offered)),
    CALL(C_SeedRandom, "uay", "", WITH(C_SeedRandom, take)),
    CALL(C_GenerateRandom, "ufy", "ay", generate_random),
    CALL(C_WaitForSlotEvent, "u", "u", wait_for_slot_event),
};
#undef CALL
#undef WITH

}  // namespace

const RpcCall* find_call(std::uint32_t number) noexcept {
  return number == 0 || number > std::size(kCalls) ? nullptr : &kCalls[number - 1];
}

}  // namespace mayfly::broker
