#include "ledger/chain_writer.h"

#include <algorithm>

#include <openssl/evp.h>

#include "base/crypto_context.h"
#include "base/error.h"
#include "base/hash.h"
#include "ledger/canonical_json.h"

namespace mayfly::ledger {
namespace {

constexpr std::chrono::seconds kSyncInterval{1};

}  // namespace

void ChainWriter::Free::operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }

ChainWriter::ChainWriter(const std::filesystem::path& folder, ChainTask task, Sync sync)
    : task_(std::move(task)),
      sync_(sync),
      file_(folder, task_.serial),
      hasher_(EVP_MD_CTX_new()),
      head_hex_(to_hex(no_hash())),
      synced_(std::chrono::steady_clock::now()) {
  if (hasher_ != nullptr &&
      EVP_DigestInit_ex2(hasher_.get(), crypto::hash_algorithm(Hash::sha256), nullptr) == 1) {
    return;
  }
  file_.remove_if_empty();
  throw crypto::failure(CKR_FUNCTION_FAILED, "the ledger's hash");
}

ChainWriter::~ChainWriter() { file_.remove_if_empty(); }

std::uint64_t ChainWriter::now() const noexcept {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  return std::max(static_cast<std::uint64_t>(std::max<std::int64_t>(time, 0)), last_time_ms_);
}

ChainWriter::HashBytes ChainWriter::hash_of(std::string_view line) {
  HashBytes hash{};
  if (EVP_DigestInit_ex2(hasher_.get(), nullptr, nullptr) != 1 ||
      EVP_DigestUpdate(hasher_.get(), line.data(), line.size()) != 1 ||
      EVP_DigestFinal_ex(hasher_.get(), hash.data(), nullptr) != 1) {
    throw crypto::failure(CKR_FUNCTION_FAILED, "the ledger's hash");
  }
  return hash;
}

void ChainWriter::write_entry(Event event, std::string_view data, std::uint64_t time_ms) {
  line_.clear();
  append_line(line_, event, data, entries_ + 1, head_hex_, time_ms);
  if (line_.size() > kMaxLine) {
    throw Error(CKR_FUNCTION_FAILED, "an entry of the ledger would be too long");
  }
  const auto hash = hash_of(line_);
  std::string hex = to_hex(hash);
  line_ += '\n';
  file_.append(line_);
  // Nothing may fail from here on.
  head_hash_ = hash;
  head_hex_.swap(hex);
  ++entries_;
  last_time_ms_ = time_ms;
}

bool ChainWriter::is_sync_due(std::chrono::steady_clock::time_point time) const noexcept {
  if (sync_ != Sync::interval) return sync_ == Sync::entry;
  return time - synced_ >= kSyncInterval;
}

void ChainWriter::append(Event event, std::string_view data) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) throw Error(CKR_FUNCTION_FAILED, "the task's ledger is closed");
    const auto time = std::chrono::steady_clock::now();
    const bool due = is_sync_due(time);
    if (due) file_.sync_name();  // what may fail and be tried again comes before the entry
    write_entry(event, data, now());
    if (!due) return;
    synced_ = time;
  }
  file_.sync();  // others may write meanwhile
}

void ChainWriter::seal(const Sign& sign) {
  // The last entry but this one is in, and nobody adds another: no lock while the device signs.
  const std::uint64_t time_ms = now();
  const Bytes signature = sign(seal_statement(task_, head(), time_ms));
  const std::scoped_lock lock(mutex_);
  write_entry(Event::seal, canonical_json({{"signature", to_hex(signature)}}), time_ms);
}

void ChainWriter::close(std::string_view data, const Sign& sign) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) throw Error(CKR_FUNCTION_FAILED, "the task's ledger is closed");
    closed_ = true;
    file_.look_again();
    write_entry(Event::end, data, now());
  }
  const auto finish = [this] {
    const std::scoped_lock lock(mutex_);
    file_.finish();
    file_.sync();
  };
  try {
    file_.sync_name();
    if (sign) seal(sign);
  } catch (...) {
    finish();
    throw;
  }
  finish();
}

ChainHead ChainWriter::head() const {
  const std::scoped_lock lock(mutex_);
  return {entries_, Bytes(head_hash_.begin(), head_hash_.end())};
}

}  // namespace mayfly::ledger
