#pragma once

#include <string>
#include <vector>

#include "bench/policies.h"

namespace sterna::cli {

/// Writes the curves of some streams as SVG: score and CIDEr against decodes a second, a line for
/// each policy, the mean over the streams at each rate asked for. Throws Error.
void write_plot(const std::string& path, const std::vector<std::vector<PolicyRow>>& streams,
                double seconds);

}  // namespace sterna::cli
