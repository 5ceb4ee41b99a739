#include "tools/audit_show.h"

#include <ctime>
#include <iomanip>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/task_binding.h"
#include "base/utf8.h"
#include "tools/audit_chains.h"
#include "tools/audit_entries.h"
#include "tools/audit_page.h"
#include "tools/failure.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

struct AuditShowOptions {
  std::vector<std::string> files;
  std::string task_id;
  std::string agent;
  std::string since;
  std::string until;
  std::string key;
  bool json = false;
  bool html = false;
};

/// Which entries are shown.
struct Filter {
  std::uint64_t since_ms = 0;
  std::uint64_t until_ms = std::numeric_limits<std::uint64_t>::max();
  std::string key;  ///< the start of a thumbprint; empty for all

  [[nodiscard]] bool admits(const ledger::Entry& entry) const {
    if (entry.time_ms < since_ms || entry.time_ms > until_ms) return false;
    return key.empty() || entry.data.value("key", std::string()).starts_with(key);
  }
};

/// A moment as it is given: seconds since 1970, or UTC as utc_text() or RFC 3339 writes it.
std::uint64_t parse_moment(const char* option, const std::string& text) {
  if (!text.empty() && text.size() < 12 &&
      text.find_first_not_of("0123456789") == std::string::npos) {
    return std::stoull(text) * 1000;
  }
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S",
                             "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* end = strptime(text.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') continue;
    const std::time_t seconds = timegm(&parts);
    if (seconds >= 0) return static_cast<std::uint64_t>(seconds) * 1000;
  }
  throw Failure(kUsage, std::string(option) + " " + text +
                            " is no moment; write it so: 2026-11-24T18:00:00Z, or in seconds since "
                            "1970");
}

Filter filter_of(const AuditShowOptions& options) {
  Filter filter;
  if (!options.since.empty()) filter.since_ms = parse_moment("--since", options.since);
  if (!options.until.empty()) filter.until_ms = parse_moment("--until", options.until);
  filter.key = options.key;
  return filter;
}

bool matches(const ShownChain& chain, const AuditShowOptions& options) {
  const ledger::ChainSummary& summary = chain.found.summary;
  if (!options.task_id.empty() && summary.task.id != options.task_id) return false;
  if (!options.agent.empty() && summary.permission.agent != options.agent) return false;
  const bool chosen = !options.since.empty() || !options.until.empty() || !options.key.empty();
  return !chosen || !chain.entries.empty();
}

std::vector<ShownChain> read_chains(const AuditShowOptions& options) {
  const Filter filter = filter_of(options);
  std::vector<ShownChain> chains;
  for (const std::string& file : options.files) {
    ShownChain chain;
    chain.file = printable_utf8(file);
    chain.found = verify_file(file, {}, [&](const ledger::Entry& entry) {
      if (filter.admits(entry)) chain.entries.push_back(entry);
    });
    if (matches(chain, options)) chains.push_back(std::move(chain));
  }
  return chains;
}

std::string length_text(std::uint64_t milliseconds) {
  return std::to_string(milliseconds / 1000) + "." +
         std::to_string(1000 + milliseconds % 1000).substr(1) + " s";
}

void print_summary(const ShownChain& chain) {
  const ledger::ChainSummary& sum = chain.found.summary;
  const auto line = [](const char* name, const std::string& value) {
    if (!value.empty()) std::cout << std::left << std::setw(13) << name << value << '\n';
  };
  line("task", sum.task.id);
  line("serial", sum.task.serial);
  line("agent", sum.permission.agent);
  line("allowed by", approver_text(sum.permission));
  line("grant", sum.permission.grant);
  line("scope", sum.permission.scope);
  line("child of", sum.permission.parent);
  line("opened", utc_text_ms(sum.opened_ms));
  line("deadline", utc_text(sum.deadline_unix_s));
  line("ended", sum.end ? std::string(to_string(*sum.end)) + " after " +
                              length_text(sum.last_ms - sum.opened_ms)
                        : "not known; written by " + owner_text(sum.owner));
  for (const auto& [name, key] : sum.keys) {
    line("key",
         short_key(name) + " " + key.kind + ", " + std::to_string(key.signatures) +
             " signatures, " +
             (!key.destroyed_ms ? "its end is not known"
              : key.pending     ? "its destruction is still owed by the device"
                            : "destroyed after " + length_text(*key.destroyed_ms - key.made_ms)));
  }
  if (sum.refusals != 0) line("refusals", std::to_string(sum.refusals));
}

void print_text(const std::vector<ShownChain>& chains) {
  for (const ShownChain& chain : chains) {
    if (&chain != &chains.front()) std::cout << '\n';
    std::cout << "chain        " << chain.file << '\n'
              << "verdict      " << to_string(chain.found.verdict) << '\n';
    if (!chain.found.problem.empty()) {
      std::cout << "             " << problem_text(chain.found) << '\n';
    }
    if (chain.found.summary.head.entries != 0) print_summary(chain);
    for (const ledger::Entry& entry : chain.entries) {
      std::cout << std::right << std::setw(6) << entry.number << "  "
                << utc_text_ms(entry.time_ms).substr(0, 23) << "  " << entry_text(entry) << '\n';
    }
  }
}

void print_json(const std::vector<ShownChain>& chains) {
  nlohmann::json list = nlohmann::json::array();
  for (const ShownChain& chain : chains) {
    nlohmann::json object = chain_json(chain.file, chain.found);
    nlohmann::json entries = nlohmann::json::array();
    for (const ledger::Entry& entry : chain.entries) {
      entries.push_back({{"n", entry.number},
                         {"time", entry.time_ms},
                         {"event", to_string(entry.event)},
                         {"data", entry.data},
                         {"text", entry_text(entry)}});
    }
    object["shown"] = std::move(entries);
    list.push_back(std::move(object));
  }
  std::cout << nlohmann::json({{"chains", list}}).dump(2) << '\n';
}

int run_audit_show(const AuditShowOptions& options) {
  const std::vector<ShownChain> chains = read_chains(options);
  if (options.html) {
    print_page(std::cout, chains);
  } else if (options.json) {
    print_json(chains);
  } else {
    print_text(chains);
  }
  bool tampered = false;
  for (const ShownChain& chain : chains) {
    tampered = tampered || chain.found.verdict == ledger::Verdict::tampered;
  }
  return tampered ? kChecksFailed : kOk;
}

}  // namespace

void add_audit_show(CLI::App& audit, int& status) {
  const auto options = std::make_shared<AuditShowOptions>();
  CLI::App* command = audit.add_subcommand("show", "Tell what was done with the keys of tasks");
  command->footer(
      "Shown is what fits together, from the start of each chain on; `mayfly audit verify` checks\n"
      "it against what is known from elsewhere.\n"
      "The exit status is 0, or 1 if a chain was tampered with.");
  command->add_option("files", options->files, "The chains; - reads standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--task", options->task_id, "Chains of this task only")->type_name("ID");
  command->add_option("--agent", options->agent, "Chains of this agent's tasks only")
      ->type_name("NAME");
  command->add_option("--since", options->since, "Entries from this moment on")
      ->type_name("MOMENT");
  command->add_option("--until", options->until, "Entries up to this moment")->type_name("MOMENT");
  command->add_option("--key", options->key, "Entries of the key whose thumbprint begins so")
      ->type_name("HEX");
  CLI::Option* json = command->add_flag("--json", options->json, "Print the result as JSON");
  command->add_flag("--html", options->html, "Print one page for a browser, with timelines")
      ->excludes(json);
  command->callback([options, &status] { status = run_audit_show(*options); });
}

}  // namespace mayfly::tools
