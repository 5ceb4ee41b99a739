#include "tools/status_fetch.h"

#include <arpa/inet.h>
#include <memory>

#include "base/clock.h"
#include "base/utf8.h"
#include "credential/proof/target_uri.h"
#include "credential/refused.h"
#include "credential/status/status_token.h"
#include "tools/libcurl.h"

namespace mayfly::tools {
namespace {

using credential::Part;
using credential::Reason;
using credential::Refused;
using credential::TargetUri;

constexpr int kMostRedirects = 3;
constexpr long kHttpOk = 200;

[[noreturn]] void refuse_fetch(const std::string& uri, const std::string& why) {
  throw Refused(Part::status_list, Reason::unreachable, printable_utf8(uri + ": " + why));
}

/// Whether nobody but this machine can be meant: then nobody is on the way who could listen.
bool is_this_machine(const TargetUri& uri) {
  const std::string& authority = uri.authority;
  const std::size_t port = authority.rfind(':');
  const bool has_port = port != authority.npos && authority.find(']', port) == authority.npos;
  const std::string host = authority.substr(0, has_port ? port : authority.npos);
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return ntohl(address.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
  }
  return host == "localhost" || host == "[::1]";
}

/// @throws Refused unreachable for what is not to be fetched.
TargetUri allowed_uri(const std::string& uri) {
  const std::optional<TargetUri> parsed = credential::parse_target_uri(uri);
  if (!parsed) refuse_fetch(uri, "this is no https URI");
  if (parsed->scheme != "https" && !is_this_machine(*parsed)) {
    refuse_fetch(uri, "only https is fetched, and http from this machine itself");
  }
  return *parsed;
}

std::string text_of(const TargetUri& uri) {
  return uri.without_query() + (uri.query ? "?" + *uri.query : "");
}

/// One request, and what came of it.
class Transfer {
 public:
  Transfer() : easy_(curl_.easy_init(), curl_.easy_cleanup) {
    if (!easy_) throw std::bad_alloc();
    fields_.reset(curl_.slist_append(nullptr, "Accept: application/statuslist+jwt"));
    set(CURLOPT_HTTPHEADER, fields_.get());
    set(CURLOPT_USERAGENT, "mayfly");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(credential::kMaxStatusTokenSize));
    set(CURLOPT_WRITEFUNCTION, &Transfer::take);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_ERRORBUFFER, error_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  void trust(const std::string& ca_file) { set(CURLOPT_CAINFO, ca_file.c_str()); }

  /// @return the status of the answer.
  /// @throws Refused
  long get(const TargetUri& uri, std::chrono::milliseconds time_limit) {
    const std::string text = text_of(uri);
    if (time_limit.count() <= 0) refuse_fetch(text, "it took too long");
    set(CURLOPT_URL, text.c_str());
    set(CURLOPT_PROTOCOLS_STR, uri.scheme.c_str());
    set(CURLOPT_NOPROXY, is_this_machine(uri) ? "*" : nullptr);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(time_limit.count()));
    body_.clear();
    error_[0] = '\0';
    const CURLcode code = curl_.easy_perform(easy_.get());
    if (is_too_long_ || code == CURLE_FILESIZE_EXCEEDED) {
      throw Refused(Part::status_list, Reason::too_long, printable_utf8(text));
    }
    if (code != CURLE_OK) {
      refuse_fetch(text, error_[0] != '\0' ? error_ : curl_.easy_strerror(code));
    }
    long status = 0;
    curl_.easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  /// Where the answer leads to; empty for nowhere.
  [[nodiscard]] std::string redirect() const {
    const char* target = nullptr;
    curl_.easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &target);
    return target == nullptr ? "" : target;
  }

  [[nodiscard]] std::string take_body() { return std::move(body_); }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_.easy_setopt(easy_.get(), option, value);
    if (code != CURLE_OK) {
      throw Error(CKR_GENERAL_ERROR,
                  std::string("libcurl can't be used: ") + curl_.easy_strerror(code));
    }
  }

  static std::size_t take(const char* bytes, std::size_t size, std::size_t count,
                          void* self) noexcept {
    auto* const transfer = static_cast<Transfer*>(self);
    const std::size_t length = size * count;
    try {
      if (length > credential::kMaxStatusTokenSize - transfer->body_.size()) {
        transfer->is_too_long_ = true;
        return 0;
      }
      transfer->body_.append(bytes, length);
      return length;
    } catch (const std::bad_alloc&) {
      return 0;  // the transfer ends
    }
  }

  const Libcurl& curl_ = Libcurl::get();
  std::unique_ptr<CURL, decltype(Libcurl::easy_cleanup)> easy_;
  std::unique_ptr<curl_slist, decltype(Libcurl::slist_free_all)> fields_{nullptr,
                                                                         curl_.slist_free_all};
  std::string body_;
  char error_[CURL_ERROR_SIZE] = {};
  bool is_too_long_ = false;
};

bool is_redirect(long status) { return status >= 300 && status < 400; }

/// @throws Refused, Error
std::string follow(const std::string& uri, const StatusFetch& how) {
  const BootClock::time_point deadline = BootClock::now() + how.time_limit;
  TargetUri target = allowed_uri(uri);
  Transfer transfer;
  if (!how.ca_file.empty()) transfer.trust(how.ca_file);
  for (int redirects = 0;; ++redirects) {
    const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - BootClock::now());
    const long status = transfer.get(target, left);
    if (status == kHttpOk) return transfer.take_body();
    const std::string next = transfer.redirect();
    if (!is_redirect(status) || next.empty()) {
      refuse_fetch(uri, "the answer was HTTP status " + std::to_string(status));
    }
    if (redirects == kMostRedirects) refuse_fetch(uri, "it leads on and on, to " + next);
    const TargetUri led = allowed_uri(next);
    if (led.scheme != target.scheme || led.authority != target.authority) {
      refuse_fetch(uri, "it leads to " + next + ", elsewhere");
    }
    target = led;
  }
}

}  // namespace

std::string fetch_status_list(const std::string& uri, const StatusFetch& how) {
  try {
    std::string list = follow(uri, how);
    if (list.ends_with('\n')) list.pop_back();
    return list;
  } catch (const Refused&) {
    throw;
  } catch (const Error& error) {
    refuse_fetch(uri, error.what());
  }
}

}  // namespace mayfly::tools
