#include "ledger/checkpoint.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/base64.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "ledger/entry.h"

namespace mayfly::ledger {
namespace {

constexpr std::string_view kDash = "\u2014 ";
constexpr std::uint8_t kEd25519 = 1;  // the type of a signature
constexpr std::size_t kKeyIdSize = 4;
constexpr std::size_t kMostOrigin = 255;
constexpr std::size_t kMostSignatures = 64;
constexpr SignatureScheme kScheme{Scheme::eddsa, Hash::none, Hash::none, 0};

/// Those of Unicode's spaces that are neither ASCII nor control characters.
constexpr std::array<std::string_view, 16> kSpaces = {
    "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005",
    "\u2006", "\u2007", "\u2008", "\u2009", "\u200a", "\u202f", "\u205f", "\u3000"};

[[noreturn]] void refuse_checkpoint(const std::string& problem) {
  throw Error(CKR_DATA_INVALID, "this is no checkpoint: " + problem);
}

void require_ed25519(const PublicKey& key) {
  if (key.spec().type == CKK_EC_EDWARDS && key.spec().bits == 255) return;
  throw Error(CKR_KEY_TYPE_INCONSISTENT,
              "checkpoints are signed with Ed25519 keys, and this one is " + to_string(key.spec()));
}

/// The start of a hash over the key's name, what it signs with, and the key.
Bytes key_id(const std::string& name, const PublicKey& key) {
  Bytes named = to_bytes(as_bytes(name));
  named.push_back('\n');
  named.push_back(kEd25519);
  named.insert(named.end(), key.point().begin(), key.point().end());
  Bytes id = digest(Hash::sha256, named);
  id.resize(kKeyIdSize);
  return id;
}

std::string text_of(const Checkpoint& checkpoint) {
  return checkpoint.origin + '\n' + std::to_string(checkpoint.size) + '\n' +
         to_base64(checkpoint.root) + '\n';
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) refuse_checkpoint("its last line has no end");
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::uint64_t size_in(std::string_view line) {
  const bool good = !line.empty() && line.size() <= 15 &&
                    line.find_first_not_of("0123456789") == line.npos &&
                    (line.front() != '0' || line.size() == 1);
  if (!good) refuse_checkpoint("its second line is no number of records");
  return std::stoull(std::string(line));
}

Checkpoint parse_text(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.size() < 3) refuse_checkpoint("it has fewer than three lines");
  if (std::ranges::any_of(lines, &std::string_view::empty))
    refuse_checkpoint("it has an empty line");
  Checkpoint checkpoint;
  checkpoint.origin = lines[0];
  checkpoint.size = size_in(lines[1]);
  const auto root = parse_base64(lines[2]);
  if (!root || root->size() != kHashSize) refuse_checkpoint("its third line is no hash");
  checkpoint.root = *root;
  return checkpoint;
}

/// Whether a line is the key's signature in a name.
bool is_signature(std::string_view line, const std::string& name, const PublicKey& key,
                  std::string_view text) {
  if (!line.starts_with(kDash)) refuse_checkpoint("a line of its signatures is none");
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == line.npos || space == 0) refuse_checkpoint("a line of its signatures is none");
  const auto bytes = parse_base64(line.substr(space + 1));
  if (!bytes || bytes->size() <= kKeyIdSize) refuse_checkpoint("a line of its signatures is none");
  const ByteView view(*bytes);
  if (line.substr(0, space) != name || !equal(view.first(kKeyIdSize), key_id(name, key))) {
    return false;
  }
  return key.verify(kScheme, as_bytes(text), view.subspan(kKeyIdSize));
}

}  // namespace

bool is_origin(std::string_view text) {
  return !text.empty() && text.size() <= kMostOrigin && is_printable_utf8(text) &&
         text.find_first_of(" +") == text.npos &&
         std::ranges::none_of(
             kSpaces, [text](std::string_view space) { return text.find(space) != text.npos; });
}

std::string sign_checkpoint(const Checkpoint& checkpoint, Signer& signer) {
  require_ed25519(signer.public_key());
  if (!is_origin(checkpoint.origin)) {
    throw Error(CKR_ARGUMENTS_BAD,
                "the origin of a checkpoint is 1 to 255 bytes without spaces and plus signs, such "
                "as example.org/mayfly/host1");
  }
  const std::string text = text_of(checkpoint);
  const Bytes signature = signer.sign(kScheme, as_bytes(text));
  if (!signer.public_key().verify(kScheme, as_bytes(text), signature)) {
    throw Error(CKR_FUNCTION_FAILED, "the key's signature does not verify");
  }
  Bytes line = key_id(checkpoint.origin, signer.public_key());
  line.insert(line.end(), signature.begin(), signature.end());
  return text + '\n' + std::string(kDash) + checkpoint.origin + ' ' + to_base64(line) + '\n';
}

Checkpoint open_checkpoint(std::string_view note, const PublicKey& key) {
  require_ed25519(key);
  if (note.size() > kMaxCheckpoint) refuse_checkpoint("it is too long");
  for (const std::string_view line : lines_of(note)) {
    if (!is_printable_utf8(line))
      refuse_checkpoint("it is no UTF-8 text without control characters");
  }
  const std::size_t blank = note.rfind("\n\n");
  if (blank == note.npos) refuse_checkpoint("it has no signature");
  const std::string_view text = note.substr(0, blank + 1);
  const std::vector<std::string_view> signatures = lines_of(note.substr(blank + 2));
  if (signatures.size() > kMostSignatures) refuse_checkpoint("it has too many signatures");
  Checkpoint checkpoint = parse_text(text);
  bool is_signed = false;
  for (const std::string_view line : signatures) {
    is_signed = is_signature(line, checkpoint.origin, key, text) || is_signed;
  }
  if (is_signed) return checkpoint;
  throw Error(CKR_SIGNATURE_INVALID, "the checkpoint of " + printable_utf8(checkpoint.origin) +
                                         " is not signed by the expected key");
}

}  // namespace mayfly::ledger
