#include "tools/broker/child_link.h"

#include <cerrno>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>

#include "base/error.h"
#include "compose/grant_file.h"
#include "tools/broker/boot_timer.h"
#include "tools/failure.h"

namespace mayfly::broker {
namespace {

using wire::Kind;

}  // namespace

ChildLink::ChildLink(const std::string& door, const RunRequest& request, Descriptor p11kit,
                     Descriptor agents, Descriptor grant)
    : link_(door), events_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!events_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  try {
    std::shared_ptr<const SecretBuffer> text;
    if (grant) text = read_grant(grant, "the file of --grant");
    open(request, text == nullptr ? ByteView() : text->view());
  } catch (const Error& error) {
    if (!refuses_grant(error)) throw;
    throw tools::Failure(tools::kGrantRefused, error.what());
  }
  if (p11kit) add_door(std::move(p11kit), true);
  add_door(std::move(agents), false);
  watch(link_.descriptor());
}

void ChildLink::open(const RunRequest& request, ByteView grant) {
  wire::OpenChildRequest wanted;
  wanted.task_id = as_bytes(request.task_id);
  wanted.ttl_seconds = request.ttl ? static_cast<std::uint64_t>(request.ttl->count()) : 0;
  wanted.policy = as_bytes(request.policy);
  wanted.grant = grant;
  const std::uint64_t deadline = link_.call<wire::OpenChildAnswer>(
      Kind::open_child, wanted, [this](const wire::OpenChildAnswer& answer) {
        child_ = answer.child;
        return answer.deadline;
      });
  deadline_ = make_boot_timer(
      BootClock::time_point(std::chrono::nanoseconds(static_cast<std::int64_t>(deadline))));
  watch(deadline_.number());
}

void ChildLink::add_door(Descriptor listening, bool for_p11kit) {
  link_.call(Kind::add_door, wire::AddDoorRequest{child_, for_p11kit}, listening.number());
}

void ChildLink::watch(int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(events_.number(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

int ChildLink::descriptor() const noexcept { return link_.is_up() ? events_.number() : -1; }

std::optional<Message> ChildLink::receive() noexcept {
  link_.look_after();
  if (!link_.is_up()) return std::nullopt;
  Message message;  // that it is ready
  std::uint64_t times = 0;
  if (deadline_ && read(deadline_.number(), &times, sizeof times) == sizeof times) {
    deadline_.reset();
    const WorkerEnd end = close_child();
    if (end.how != WorkerEnd::How::confirmed) return std::nullopt;
    message.kind = MessageKind::expired;
    message.pending = end.pending;
  }
  return message;
}

WorkerEnd ChildLink::close_child() noexcept {
  WorkerEnd result;
  try {
    link_.call<wire::ChildEnd>(Kind::close_child, wire::ChildName{child_},
                               [&](const wire::ChildEnd& answer) {
                                 result = {WorkerEnd::How::confirmed, answer.pending};
                               });
  } catch (const std::exception&) {  // the task above has ended, or its worker has died
  }
  return result;
}

WorkerEnd ChildLink::end(std::chrono::milliseconds) noexcept {
  const WorkerEnd result = close_child();
  link_.close();
  return result;
}

}  // namespace mayfly::broker
