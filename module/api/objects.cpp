// Object management (PKCS#11 3.0, 5.7).
#include "api/call.h"
#include "base/safeguard.h"
#include "core/attribute_rules.h"

using namespace mayfly;
using namespace mayfly::api;

namespace {

/// Answers one attribute of a C_GetAttributeValue, by the five cases of PKCS#11 3.0, 5.7.5.
CK_RV give_attribute(const Object& object, CK_ATTRIBUTE& wanted) {
  if (object.object_class() == CKO_PRIVATE_KEY && is_secret(wanted.type) &&
      kept(Safeguard::secret_attributes)) {
    wanted.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_ATTRIBUTE_SENSITIVE;
  }
  std::optional<Bytes> value = object.get(wanted.type);
  // No code here could read one: without the safeguard, zeroes stand for it.
  if (!value && !kept(Safeguard::secret_attributes)) value.emplace(32);
  if (!value) {
    wanted.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_ATTRIBUTE_TYPE_INVALID;
  }
  if (wanted.pValue == nullptr) {
    wanted.ulValueLen = value->size();
    return CKR_OK;
  }
  if (wanted.ulValueLen < value->size()) {
    wanted.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_BUFFER_TOO_SMALL;
  }
  wanted.ulValueLen = value->size();
  if (!value->empty()) std::memcpy(wanted.pValue, value->data(), value->size());
  return CKR_OK;
}

}  // namespace

CK_RV C_CreateObject(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
                     CK_OBJECT_HANDLE_PTR phObject) {
  return with_session("C_CreateObject", hSession, [&](Session& session) {
    CK_OBJECT_HANDLE& handle = required(phObject, "phObject");
    handle = session.create_object(read_template(pTemplate, ulCount)).value;
    return CKR_OK;
  });
}

CK_RV C_CopyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE_PTR pTemplate,
                   CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phNewObject) {
  return with_session("C_CopyObject", hSession, [&](Session& session) {
    CK_OBJECT_HANDLE& handle = required(phNewObject, "phNewObject");
    handle = session.copy_object(ObjectHandle{hObject}, read_template(pTemplate, ulCount)).value;
    return CKR_OK;
  });
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject) {
  return with_session("C_DestroyObject", hSession, [&](Session& session) {
    session.destroy_object(ObjectHandle{hObject});
    return CKR_OK;
  });
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ULONG_PTR pulSize) {
  return with_session("C_GetObjectSize", hSession, [&](const Session& session) {
    CK_ULONG& size = required(pulSize, "pulSize");
    size = session.object(ObjectHandle{hObject})->size();
    return CKR_OK;
  });
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                          CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount) {
  return with_session("C_GetAttributeValue", hSession, [&](const Session& session) {
    if (ulCount != 0) required(pTemplate, "pTemplate");
    const std::shared_ptr<Object> object = session.object(ObjectHandle{hObject});
    CK_RV result = CKR_OK;
    for (CK_ULONG i = 0; i < ulCount; ++i) {
      const CK_RV answer = give_attribute(*object, pTemplate[i]);
      if (answer != CKR_OK) result = answer;
    }
    return result;
  });
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                          CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount) {
  return with_session("C_SetAttributeValue", hSession, [&](Session& session) {
    session.set_attributes(ObjectHandle{hObject}, read_template(pTemplate, ulCount));
    return CKR_OK;
  });
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount) {
  return with_session("C_FindObjectsInit", hSession, [&](Session& session) {
    session.find_init(read_template(pTemplate, ulCount));
    return CKR_OK;
  });
}

CK_RV C_FindObjects(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE_PTR phObject,
                    CK_ULONG ulMaxObjectCount, CK_ULONG_PTR pulObjectCount) {
  return with_session("C_FindObjects", hSession, [&](Session& session) {
    CK_ULONG& count = required(pulObjectCount, "pulObjectCount");
    if (ulMaxObjectCount != 0) required(phObject, "phObject");
    const std::vector<ObjectHandle> found = session.find_next(ulMaxObjectCount);
    std::ranges::transform(found, phObject, &ObjectHandle::value);
    count = found.size();
    return CKR_OK;
  });
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE hSession) {
  return with_session("C_FindObjectsFinal", hSession, [](Session& session) {
    session.find_final();
    return CKR_OK;
  });
}
