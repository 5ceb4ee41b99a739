#include "core/open_book.h"

#include "base/error.h"

namespace mayfly {
namespace {

class FreeAdmission final : public Admission {
 public:
  explicit FreeAdmission(Terms terms) : terms_(std::move(terms)) {}

  [[nodiscard]] const Terms& terms() const noexcept override { return terms_; }
  void record(const OpeningRecord& opening) override { static_cast<void>(opening); }

 private:
  const Terms terms_;
};

}  // namespace

std::unique_ptr<Admission> OpenBook::admit(const TaskRequest& request, const ParentTask*) {
  if (request.grant != nullptr) {
    throw Error(CKR_FUNCTION_REJECTED,
                "a grant can't be spent here, since that is recorded in a registry and none is "
                "configured; add file = \"/var/lib/mayfly/registry.db\" under [registry]");
  }
  Terms terms;
  terms.origin.agent = local_agent(request);
  return std::make_unique<FreeAdmission>(std::move(terms));
}

}  // namespace mayfly
