#include "compose/registry_journal.h"

namespace mayfly {

void RegistryJournal::add(const JournalEntry& entry) {
  registry_->add_stored_key(
      {entry.id, entry.label, entry.device, entry.task_id, entry.task_serial, entry.given_up});
}

void RegistryJournal::remove(ByteView id) { registry_->remove_stored_key(id); }

void RegistryJournal::give_up(ByteView id) { registry_->give_up_stored_key(id); }

std::vector<JournalEntry> RegistryJournal::entries(const std::string& device) {
  std::vector<JournalEntry> entries;
  for (StoredKeyRecord& record : registry_->stored_keys(device)) {
    entries.push_back({std::move(record.id), std::move(record.label), std::move(record.device),
                       std::move(record.task_id), std::move(record.task_serial), record.given_up});
  }
  return entries;
}

}  // namespace mayfly
