#pragma once

#include <sterna/models/quantize.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "cli/options.h"

// What `sterna model` prints of files: columns and JSON.
namespace sterna::cli {

using nlohmann::ordered_json;

std::string fixed(double value, int decimals);
std::string megabytes(uint64_t bytes);
/// `text` filled up with blanks to a column's width.
std::string left(std::string text, size_t width);
std::string right(std::string text, size_t width);

/// An object as one line. Names come from a file that may be anyone's: bytes that aren't UTF-8 are
/// replaced.
std::string line(const ordered_json& object);

/// A table of how many tensors of which type became what.
std::string changes_text(std::span<const models::QuantizedTensor> tensors, uint64_t before,
                         uint64_t after);
ordered_json changes_json(std::span<const models::QuantizedTensor> tensors);

/// Tells of rules that match no tensor, but for those of `shipped`, which are for several models.
void tell_unmatched(std::span<const models::QuantizeRule> rules);

/// The rules of every --type PATTERN=FORMAT; throws UsageError.
std::vector<models::QuantizeRule> read_rules(const cxxopts::ParseResult& args);

}  // namespace sterna::cli
