#include <nlohmann/json.hpp>

#include "cli/error.h"
#include "cli/options.h"
#include "cli/output.h"

namespace sterna::cli {

/// `sterna version`: what to write into a bug report.
int version_command(int argc, char** argv) {
  Options options("version", "[--json]", "Print the version and what this build and CPU can do.");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  if (!options.positionals().empty()) throw UsageError("no arguments are expected");

  using quant::Isa;
  std::vector<std::string> isas;
  for (const Isa isa : quant::kEveryIsa) {
    if (quant::has_isa(isa)) isas.emplace_back(quant::name(isa));
  }
  const std::string best(quant::name(quant::best_isa()));
  if (args->count("json") != 0) {
    print_line(
        nlohmann::ordered_json{{"version", STERNA_VERSION}, {"isa", best}, {"isas", isas}}.dump());
  } else {
    print_line(std::string("sterna ") + STERNA_VERSION + " (" + best + ")");
  }
  return kDone;
}

}  // namespace sterna::cli
