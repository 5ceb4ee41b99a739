// The functions of mayfly/verify.h: C in, the Verifier, C out. No exception passes.
#include "mayfly/verify.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <new>
#include <span>
#include <sys/stat.h>

#include "base/bounded_read.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/utf8.h"
#include "verifier/boundary.h"

struct mayfly_verifier {
  explicit mayfly_verifier(mayfly::verifier::Settings settings) : verifier(std::move(settings)) {}

  mayfly::verifier::Verifier verifier;
  std::chrono::seconds skew{30};
};

namespace mayfly::verifier {
namespace {

constexpr std::chrono::seconds kReadTime{10};

std::string read_status_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file) throw Error(CKR_FUNCTION_FAILED, path + " can't be read: " + std::strerror(errno));
  struct stat status {};
  if (fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size > static_cast<off_t>(credential::kMaxStatusTokenSize)) {
    throw Error(CKR_FUNCTION_FAILED, path + " is no file, or longer than any status list");
  }
  std::string list(static_cast<std::size_t>(status.st_size), '\0');
  const auto room = std::span(reinterpret_cast<std::uint8_t*>(list.data()), list.size());
  list.resize(read_to_end(file.number(), room, std::chrono::steady_clock::now() + kReadTime));
  if (list.ends_with('\n')) list.pop_back();
  return list;
}

/// What a mayfly_fetch_status has handed over. Nothing may be thrown through the caller's code.
struct Fetched {
  std::string text;
  bool is_there = false;
  bool is_too_much = false;
};

void take_text(void* sink, const char* text, std::size_t length) {
  Fetched& fetched = *static_cast<Fetched*>(sink);
  fetched.is_there = false;
  fetched.is_too_much = text == nullptr || length > credential::kMaxStatusTokenSize;
  if (fetched.is_too_much) return;
  try {
    fetched.text.assign(text, length);
    fetched.is_there = true;
  } catch (const std::bad_alloc&) {
    fetched.is_too_much = true;
  }
}

std::string fetch_status(mayfly_fetch_status fetch, void* context, const std::string& uri) {
  Fetched fetched;
  const int answer = fetch(context, uri.c_str(), take_text, &fetched);
  if (fetched.is_too_much) throw Error(CKR_FUNCTION_FAILED, "the status list is too long");
  if (answer != 0 || !fetched.is_there) {
    throw Error(CKR_FUNCTION_FAILED, "the status list " + printable_utf8(uri) + " can't be had");
  }
  return std::move(fetched.text);
}

void set_status(const mayfly_verify_settings& given, Settings& settings) {
  const bool is_off = (given.flags & MAYFLY_NO_STATUS) != 0;
  const int sources =
      (given.status_file != nullptr ? 1 : 0) + (given.fetch_status != nullptr ? 1 : 0);
  if (sources != (is_off ? 0 : 1)) {
    throw BadCall(
        "say where the status list is: by status_file, by fetch_status, or by "
        "MAYFLY_NO_STATUS that it is not to be looked at");
  }
  if (given.status_file != nullptr) {
    settings.status_list = [path = text(given.status_file, "status_file")](const std::string&) {
      return read_status_file(path);
    };
  } else if (given.fetch_status != nullptr) {
    settings.status_list = [fetch = given.fetch_status,
                            context = given.context](const std::string& uri) {
      return fetch_status(fetch, context, uri);
    };
  }
}

Settings settings_of(const mayfly_verify_settings& given) {
  constexpr unsigned kFlags = MAYFLY_NO_STATUS | MAYFLY_NO_PROOF | MAYFLY_NO_REPLAY_CHECK;
  if ((given.flags & ~kFlags) != 0) throw BadCall("a flag of the settings is not known");
  Settings settings;
  if (given.issuer_keys != nullptr) {
    settings.issuer_keys = credential::parse_key_set(
        text(given.issuer_keys, "issuer_keys", credential::kMaxKeySetSize));
  }
  settings.roots = text(given.roots, "roots");
  settings.issuer = text(given.issuer, "issuer");
  settings.subject = text(given.subject, "subject");
  set_status(given, settings);
  if (given.max_stale_seconds != 0) {
    settings.max_stale = std::chrono::seconds(given.max_stale_seconds);
  }
  settings.needs_proof = (given.flags & MAYFLY_NO_PROOF) == 0;
  const bool remembers = (given.flags & MAYFLY_NO_REPLAY_CHECK) == 0;
  const std::string seen_file = text(given.seen_file, "seen_file");
  if (!seen_file.empty() && !remembers) {
    throw BadCall("seen_file does not go with MAYFLY_NO_REPLAY_CHECK");
  }
  if (!seen_file.empty()) {
    settings.seen = std::make_unique<credential::FileReplayCache>(seen_file);
  } else if (remembers) {
    settings.seen = std::make_unique<credential::MemoryReplayCache>();
  }
  return settings;
}

credential::HttpProof http_of(const mayfly_verify_request& given) {
  credential::HttpProof http;
  if ((given.signature_input == nullptr) != (given.signature == nullptr)) {
    throw credential::Refused(credential::Part::proof, credential::Reason::malformed,
                              "Signature-Input and Signature go together");
  }
  http.input = token(given.signature_input);
  http.signature = token(given.signature);
  http.message.method = given.method == nullptr ? "" : text(given.method, "method");
  http.message.target = given.url == nullptr ? "" : text(given.url, "url");
  read_message(given, http.message, http.body);
  return http;
}

Request request_of(const mayfly_verify_request& given, std::chrono::seconds skew) {
  if (given.credential == nullptr) throw BadCall("credential is NULL");
  Request request;
  request.credential = token(given.credential);
  request.dpop = token(given.dpop);
  request.wpt = token(given.wpt);
  request.http = http_of(given);
  credential::ProofExpectations& expected = request.expected;
  expected.clock = {given.now_seconds != 0 ? given.now_seconds : unix_now_s(), skew};
  expected.method = request.http.message.method;
  expected.target = request.http.message.target;
  expected.audience = text(given.audience, "audience");
  expected.access_token = text(given.access_token, "access_token");
  expected.nonce = text(given.nonce, "nonce");
  request.task_id = text(given.task, "task");
  return request;
}

void put_verified(mayfly_verify_result& result, const credential::VerifiedCredential& verified) {
  put_whole(result.subject, verified.subject);
  put_whole(result.thumbprint, verified.thumbprint);
  result.expires = verified.expires;
  if (const auto& wit = verified.wit) {
    put_whole(result.issuer, wit->issuer);
    put_whole(result.task, wit->task_id);
    put_whole(result.serial, wit->task_serial);
  }
}

mayfly_verify_result no_result(int status, const char* message) noexcept {
  mayfly_verify_result result{};
  result.status = status;
  put(result.message, message);
  return result;
}

/// Does something and says what came of it.
template <typename Body>
int answer(mayfly_verify_result* out, Body&& body) noexcept {
  if (!has_room(out)) return MAYFLY_VERIFY_BAD_CALL;
  mayfly_verify_result result{};
  try {
    body(result);
  } catch (const credential::Refused& refused) {
    result = no_result(MAYFLY_REFUSED, refused.what());
    put(result.part, credential::name_of(refused.part()));
    put(result.reason, credential::name_of(refused.reason()));
  } catch (const BadCall& error) {
    result = no_result(MAYFLY_VERIFY_BAD_CALL, error.what());
  } catch (const std::exception& error) {
    result = no_result(MAYFLY_VERIFY_FAILED, error.what());
  } catch (...) {
    result = no_result(MAYFLY_VERIFY_FAILED, "it can't be told why");
  }
  return give(out, result);
}

}  // namespace
}  // namespace mayfly::verifier

using namespace mayfly::verifier;

extern "C" __attribute__((visibility("default"))) int mayfly_verifier_new(
    const mayfly_verify_settings* settings, mayfly_verifier** verifier,
    mayfly_verify_result* result) {
  if (verifier != nullptr) *verifier = nullptr;
  return answer(result, [&](mayfly_verify_result&) {
    if (verifier == nullptr) throw BadCall("verifier is NULL");
    const mayfly_verify_settings given = known(settings, "settings");
    auto made = std::make_unique<mayfly_verifier>(settings_of(given));
    if (given.skew_seconds != 0) made->skew = std::chrono::seconds(given.skew_seconds);
    *verifier = made.release();
  });
}

extern "C" __attribute__((visibility("default"))) int mayfly_verify(
    mayfly_verifier* verifier, const mayfly_verify_request* request, mayfly_verify_result* result) {
  return answer(result, [&](mayfly_verify_result& found) {
    if (verifier == nullptr) throw BadCall("verifier is NULL");
    const mayfly_verify_request given = known(request, "request");
    put_verified(found, verifier->verifier.verify(request_of(given, verifier->skew)));
  });
}

extern "C" __attribute__((visibility("default"))) void mayfly_verifier_free(
    mayfly_verifier* verifier) {
  delete verifier;
}
