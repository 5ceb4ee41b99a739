#include "tools/serve/signing_process.h"

#include <cerrno>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unordered_set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "tools/broker/child_process.h"

namespace mayfly::serve {
namespace {

// For a start, with a login to an HSM, and a signature. Whoever ends a task waits for it.
constexpr std::chrono::seconds kSigningTime{5};

}  // namespace

std::string ListRequest::text() const {
  return nlohmann::json{{"iat", issued_at}, {"exp", expires}, {"lst", list.packed()}}.dump();
}

ListRequest ListRequest::parse(std::string_view text) {
  const nlohmann::json parsed = parse_json(text, kMostSigningLine);
  JsonObject object(parsed, "the request");
  ListRequest request;
  request.issued_at = object.number("iat", kMaxJsonNumber);
  request.expires = object.number("exp", kMaxJsonNumber);
  request.list = credential::StatusList::unpacked(1, object.text("lst"));
  object.finish();
  return request;
}

void SigningProcess::start() {
  auto [ours, theirs] = LineSocket::make_pair();
  const std::string socket = std::to_string(theirs.descriptor());
  const broker::Program program{
      "/proc/self/exe",
      {"mayfly", "status", kSigningCommand, "--socket", socket, "--broker",
       std::to_string(getpid()), "--config", config_.string()},
      broker::environment_of_this_process()};
  process_ =
      broker::spawn(program, [&] { broker::set_apart(STDOUT_FILENO, {theirs.descriptor()}); });
  socket_ = std::move(ours);
}

void SigningProcess::stop() noexcept {
  socket_.close();
  if (process_ < 0) return;
  kill(process_, SIGKILL);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
}

std::string SigningProcess::sign(const ListRequest& request) {
  if (process_ < 0) start();
  const auto deadline = std::chrono::steady_clock::now() + kSigningTime;
  std::optional<std::string> answer;
  if (socket_.send(request.text(), deadline)) answer = socket_.receive(kMostSigningLine, deadline);
  if (answer && !answer->empty() && answer->front() != kSigningFailed) return *std::move(answer);
  stop();
  if (!answer || answer->empty()) {
    throw Error(CKR_FUNCTION_FAILED,
                "the process that signs status lists has ended, or gave no answer in time; what it "
                "logged says why");
  }
  throw Error(CKR_FUNCTION_FAILED,
              "no status list could be signed: " + printable_utf8(answer->substr(1)));
}

}  // namespace mayfly::serve
