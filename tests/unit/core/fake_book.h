// A book whose say on grants the test decides, and that tells what it was given to record.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/task_book.h"

namespace mayfly::test {

class FakeBook final : public TaskBook {
 public:
  /// The one text that is a grant, and what it allows.
  std::string grant = "grant";
  Terms granted{.policy = {}, .origin = {"agent", "approver", "issuer", "jti"}};
  bool spent = false;
  bool can_record = true;
  std::vector<std::string> orders;
  std::vector<OpeningRecord> openings;
  std::vector<std::string> parents;  ///< IDs of the tasks above, of each admission
  std::vector<TaskMove> moves;

  [[nodiscard]] std::unique_ptr<Admission> admit(const TaskRequest& request,
                                                 const ParentTask* parent) override {
    const std::scoped_lock lock(mutex_);
    parents.push_back(parent == nullptr ? "" : parent->id);
    if (request.grant == nullptr) {
      Terms terms;
      terms.origin.agent = "somebody";
      return std::make_unique<FakeAdmission>(*this, terms);
    }
    if (as_text(request.grant->view()) != grant) throw Error(CKR_PIN_INCORRECT, "no grant");
    return std::make_unique<FakeAdmission>(*this, granted);
  }

  void record(const TaskMove& move) noexcept override {
    const std::scoped_lock lock(mutex_);
    moves.push_back(move);
  }
  [[nodiscard]] std::vector<std::string> ordered_to_end() noexcept override {
    const std::scoped_lock lock(mutex_);
    return std::exchange(orders, {});
  }
  [[nodiscard]] std::vector<std::string> ordered_in_passing() noexcept override {
    return ordered_to_end();
  }
  void close() noexcept override {}

 private:
  class FakeAdmission final : public Admission {
   public:
    FakeAdmission(FakeBook& book, Terms terms) : book_(book), terms_(std::move(terms)) {}
    [[nodiscard]] const Terms& terms() const noexcept override { return terms_; }
    void record(const OpeningRecord& opening) override {
      const std::scoped_lock lock(book_.mutex_);
      if (!book_.can_record) throw Error(CKR_FUNCTION_FAILED, "the registry is down");
      if (terms_.origin.granted() && std::exchange(book_.spent, true)) {
        throw Error(CKR_PIN_EXPIRED, "the grant was spent");
      }
      book_.openings.push_back(opening);
    }

   private:
    FakeBook& book_;
    const Terms terms_;
  };

  std::mutex mutex_;
};

}  // namespace mayfly::test
