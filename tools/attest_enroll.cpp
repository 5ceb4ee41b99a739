#include "tools/attest_enroll.h"

#include <iostream>
#include <memory>

#include "tools/commands.h"
#include "tools/configuration.h"
#include "tools/failure.h"
#include "tools/tpm_enrolment.h"

namespace mayfly::tools {

void add_attest_enroll(CLI::App& attest, int& status) {
  const auto file = std::make_shared<std::string>();
  CLI::App* command =
      attest.add_subcommand("enroll", "Print the TPM's attestation key, for those who verify");
  command->footer(
      "Run it on the machine of the TPM, once, and take the output to where evidence is verified:\n"
      "`mayfly attest verify --key FILE`. The TPM shows that it holds the attestation key "
      "together\n"
      "with its endorsement key, whose certificate by the TPM's maker is in the output where the\n"
      "TPM has one. Stored is nothing: a TPM makes the same keys again each time.");
  add_config_option(*command, *file);
  command->callback([file, &status] {
    const Config config = load_configuration(*file);
    if (config.device.type != DeviceType::tpm) {
      throw Failure(kBadConfiguration,
                    config.file.string() + ": only a TPM attests; device.type is another");
    }
    std::cout << enrol_tpm(config.tpm).file;
    status = kOk;
  });
}

}  // namespace mayfly::tools
