#include "tools/audit_export.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/json_reader.h"
#include "base/process_identity.h"
#include "base/replace_file.h"
#include "base/utf8.h"
#include "ledger/chain_folder.h"
#include "tools/audit_chains.h"
#include "tools/audit_folder.h"
#include "tools/commands.h"
#include "tools/export_record.h"
#include "tools/failure.h"
#include "tools/host_name.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr const char* kJournal = "/run/systemd/journal/socket";
constexpr std::size_t kMaxStateFile = 64 * 1024 * 1024;
constexpr timeval kSendTime{10, 0};

struct AuditExportOptions {
  std::vector<std::string> files;
  std::string config_file;
  std::string folder;
  std::string format;
  std::string to;
  std::string state;
};

/// Where messages go: a datagram socket, or standard output, a line each.
class Sink {
 public:
  /// @param path  Of a socket; empty for standard output.
  explicit Sink(const std::string& path) : path_(path) {
    if (path.empty()) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
      throw Failure(kUsage, path + ": no socket has so long a path");
    }
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_ || connect(socket_.number(), reinterpret_cast<const sockaddr*>(&address),
                            sizeof address) != 0) {
      throw Failure(kCannotWrite,
                    path + ": no datagram can be sent there: " + std::strerror(errno));
    }
    setsockopt(socket_.number(), SOL_SOCKET, SO_SNDTIMEO, &kSendTime, sizeof kSendTime);
  }

  /// @throws Failure kCannotWrite
  void send(const std::string& message) {
    if (path_.empty()) {
      std::cout << message << '\n';
      if (!std::cout) throw Failure(kCannotWrite, "standard output can't be written");
      return;
    }
    ssize_t sent = 0;
    do {
      sent = ::send(socket_.number(), message.data(), message.size(), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent == static_cast<ssize_t>(message.size())) return;
    throw Failure(kCannotWrite, path_ + ": takes no more: " + std::strerror(errno));
  }

  void flush() {
    if (!path_.empty()) return;
    std::cout.flush();
    if (!std::cout) throw Failure(kCannotWrite, "standard output can't be written");
  }

 private:
  const std::string path_;
  Descriptor socket_;
};

/// How far each chain was exported before: the number of its last entry, by its serial.
class ExportState {
 public:
  /// @param path  Of the file that remembers it; empty remembers nothing.
  explicit ExportState(const std::string& path) : path_(path) {
    if (path.empty() || access(path.c_str(), F_OK) != 0) return;
    try {
      const nlohmann::json parsed = parse_json(read_whole_file(path, kMaxStateFile), kMaxStateFile);
      JsonObject state(parsed, "the state");
      state.require_format("mayfly-export", 1);
      const nlohmann::json& done = state.at("exported");
      state.finish();
      done_ = done.get<std::map<std::string, std::uint64_t>>();
    } catch (const nlohmann::json::exception& error) {
      refuse(error.what());
    } catch (const Error& error) {
      refuse(error.what());
    }
  }

  [[nodiscard]] std::uint64_t done(const std::string& serial) const {
    const auto found = done_.find(serial);
    return found == done_.end() ? 0 : found->second;
  }
  void set_done(const std::string& serial, std::uint64_t number) { next_[serial] = number; }

  /// Chains that are not there any more are forgotten.
  void save() const {
    if (path_.empty()) return;
    const nlohmann::json state = {{"exported", next_}, {"format", "mayfly-export"}, {"version", 1}};
    replace_file(path_, as_bytes(state.dump() + "\n"));
  }

 private:
  [[noreturn]] void refuse(const char* why) const {
    throw Failure(kNoInput,
                  path_ + " is no state of an export: " + why + "; remove it to begin anew");
  }

  const std::string path_;
  std::map<std::string, std::uint64_t> done_;
  std::map<std::string, std::uint64_t> next_;
};

class AuditExport {
 public:
  explicit AuditExport(const AuditExportOptions& options)
      : options_(options),
        sink_(options.to.empty() && options.format == "journald" ? kJournal : options.to),
        state_(options.state) {}

  int run() {
    bool all_fit = true;
    for (const std::string& file : files()) all_fit = export_file(file) && all_fit;
    sink_.flush();
    state_.save();
    return all_fit ? kOk : kChecksFailed;
  }

 private:
  [[nodiscard]] std::vector<std::string> files() const {
    if (!options_.files.empty()) return options_.files;
    std::vector<std::string> files;
    for (const auto& path :
         ledger::chain_files(ledger_folder(options_.folder, options_.config_file))) {
      files.push_back(path.string());
    }
    return files;
  }

  template <typename Record>
  void send(const Record& record) {
    if (options_.format == "syslog") {
      sink_.send(syslog_message(record, host_));
    } else if (options_.format == "journald") {
      sink_.send(journal_message(record));
    } else {
      sink_.send(json_message(record));
    }
  }

  /// What can't be read keeps nobody from reading the rest, unless it was named.
  bool export_file(const std::string& file) {
    try {
      return export_chain(file);
    } catch (const Failure& failure) {
      if (failure.status() != kNoInput || !options_.files.empty()) throw;
      send(ExportAlarm{printable_utf8(file), {}, 0, unix_now_s() * 1000, failure.what()});
      return false;
    }
  }

  /// @return false for a chain that was tampered with.
  bool export_chain(const std::string& file) {
    ExportRecord record;
    std::uint64_t done = 0;
    const ledger::Verification found = verify_file(file, {}, [&](const ledger::Entry& entry) {
      if (entry.event == ledger::Event::open) {
        record.task = {entry.data.value("task", std::string()),
                       entry.data.value("serial", std::string())};
        const auto owner = ProcessIdentity::parse(entry.data.value("owner", std::string()));
        if (owner) record.process = std::to_string(owner->pid);
        done = state_.done(record.task.serial);
      }
      if (entry.number <= done) return;
      record.entry = entry;
      send(record);
    });
    const std::string& serial = record.task.serial;
    if (!serial.empty()) state_.set_done(serial, std::max(done, found.summary.head.entries));
    if (found.verdict != ledger::Verdict::tampered) return true;
    send(ExportAlarm{record.task.id.empty() ? printable_utf8(file) : record.task.id, serial,
                     found.line, unix_now_s() * 1000, found.problem});
    return false;
  }

  const AuditExportOptions& options_;
  const std::string host_ = host_name();
  Sink sink_;
  ExportState state_;
};

}  // namespace

void add_audit_export(CLI::App& audit, int& status) {
  const auto options = std::make_shared<AuditExportOptions>();
  CLI::App* command =
      audit.add_subcommand("export", "Hand the entries of ledgers to a collector of logs");
  command->footer(
      "Exported is what fits together, of running chains as far as they are; of one that was\n"
      "tampered with, a last message says so, with severity alert. An entry may be exported twice\n"
      "if the command fails in between: its serial and its number tell.\n"
      "The exit status is 1 if a chain was tampered with, else 0.");
  command
      ->add_option("files", options->files,
                   "The chains; - reads standard input (default: all chains of the folder)")
      ->type_name("FILE");
  add_config_option(*command, options->config_file);
  CLI::Option* folder =
      command
          ->add_option("--folder", options->folder, "The ledgers' folder (default: ledger.folder)")
          ->type_name("FOLDER");
  command->get_option("files")->excludes(folder);
  command
      ->add_option("--format", options->format,
                   "syslog (RFC 5424), journald (its native protocol) or json (a line for each)")
      ->required()
      ->check(CLI::IsMember({"syslog", "journald", "json"}));
  command
      ->add_option("--to", options->to,
                   "A Unix datagram socket (default: standard output; for journald its own, "
                   "/run/systemd/journal/socket)")
      ->type_name("SOCKET");
  command
      ->add_option("--state", options->state,
                   "A file that remembers what was exported: the next time goes on from there")
      ->type_name("FILE");
  command->callback([options, &status] { status = AuditExport(*options).run(); });
}

}  // namespace mayfly::tools
