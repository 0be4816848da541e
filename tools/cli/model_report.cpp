#include "cli/model_report.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "cli/error.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {

std::string fixed(double value, int decimals) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string megabytes(uint64_t bytes) { return fixed(static_cast<double>(bytes) / 1e6, 3); }

std::string left(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string right(std::string text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string line(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string changes_text(std::span<const models::QuantizedTensor> tensors, uint64_t before,
                         uint64_t after) {
  struct Change {
    size_t tensors = 0;
    uint64_t before = 0, after = 0;
  };
  std::map<std::pair<std::string, std::string>, Change> changes;
  for (const auto& tensor : tensors) {
    Change& change = changes[{tensor.from, tensor.to}];
    ++change.tensors;
    change.before += tensor.bytes_before;
    change.after += tensor.bytes_after;
  }
  const auto row = [](const std::string& from, const std::string& to, const std::string& tensors,
                      const std::string& before, const std::string& after) {
    return left(from, 8) + left(to, 8) + right(tensors, 8) + right(before, 14) + right(after, 14) +
           "\n";
  };
  std::string out = bold(row("from", "to", "tensors", "MB before", "MB after"));
  for (const auto& [types, change] : changes) {
    out += row(types.first, types.second, std::to_string(change.tensors), megabytes(change.before),
               megabytes(change.after));
  }
  return out + row("file", "", std::to_string(tensors.size()), megabytes(before), megabytes(after));
}

ordered_json changes_json(std::span<const models::QuantizedTensor> tensors) {
  ordered_json list = ordered_json::array();
  for (const auto& tensor : tensors) {
    list.push_back({{"name", tensor.name},
                    {"from", tensor.from},
                    {"to", tensor.to},
                    {"shape", tensor.shape},
                    {"bytes_before", tensor.bytes_before},
                    {"bytes_after", tensor.bytes_after}});
  }
  return list;
}

void tell_unmatched(std::span<const models::QuantizeRule> rules) {
  const auto shipped = models::shipped_rules();
  for (const auto& rule : rules) {
    const bool ours = std::any_of(shipped.begin(), shipped.end(), [&](const auto& other) {
      return other.pattern == rule.pattern && other.type == rule.type;
    });
    const std::string group = rule.group == 0 ? "" : "/" + std::to_string(rule.group);
    if (!ours) message("no tensor matches \"" + rule.pattern + "=" + rule.type + group + "\"");
  }
}

std::vector<models::QuantizeRule> read_rules(const cxxopts::ParseResult& args) {
  std::vector<models::QuantizeRule> rules;
  if (args.count("type") == 0) return rules;
  for (const std::string& text : args["type"].as<std::vector<std::string>>()) {
    try {
      for (auto& rule : models::parse_rules(text)) rules.push_back(std::move(rule));
    } catch (const Error& e) {
      throw UsageError(std::string("--type: ") + e.what());
    }
  }
  return rules;
}

}  // namespace sterna::cli
