#include "device/pkcs11/token_objects.h"

#include <array>

#include "base/error.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

constexpr std::size_t kMaxObjects = 1'000'000;

}  // namespace

std::vector<CK_OBJECT_HANDLE> find_objects(CK_FUNCTION_LIST_PTR functions,
                                           CK_SESSION_HANDLE session,
                                           std::vector<CK_ATTRIBUTE> wanted) {
  static constexpr char kWhat[] = "searching the device for keys";
  check(functions->C_FindObjectsInit(session, wanted.data(), wanted.size()), kWhat);
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, 64> batch;
  CK_ULONG count = 0;
  do {
    count = 0;
    check(functions->C_FindObjects(session, batch.data(), batch.size(), &count), kWhat);
    if (count > batch.size() || found.size() > kMaxObjects) {
      throw Error(CKR_DEVICE_ERROR, "the device's search for keys finds no end");
    }
    found.insert(found.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(count));
  } while (count > 0);
  check(functions->C_FindObjectsFinal(session), kWhat);
  return found;
}

std::optional<ObjectName> read_name(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                                    CK_OBJECT_HANDLE object) {
  std::array<std::uint8_t, 255> label;
  std::array<std::uint8_t, 255> id;
  std::array<CK_ATTRIBUTE, 2> attributes = {
      {{CKA_LABEL, label.data(), label.size()}, {CKA_ID, id.data(), id.size()}}};
  const CK_RV rv =
      functions->C_GetAttributeValue(session, object, attributes.data(), attributes.size());
  if (rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_BUFFER_TOO_SMALL ||
      rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE) {
    return std::nullopt;
  }
  check(rv, "reading how a key on the device is named");
  const CK_ULONG label_size = attributes[0].ulValueLen;
  const CK_ULONG id_size = attributes[1].ulValueLen;
  if (label_size > label.size() || id_size > id.size()) return std::nullopt;
  return ObjectName{std::string(as_text(ByteView(label).first(label_size))),
                    to_bytes(ByteView(id).first(id_size))};
}

}  // namespace mayfly::pkcs11
