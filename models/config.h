#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::models {

/// An object of a config.json, and the way to it for messages. Treats the file as hostile: its size
/// and nesting are bounded, every number is asked for with a range. All methods throw sterna::Error
///   DIR/config.json: vision_config.hidden_size: expected a whole number from 1 to 65536, found -1
/// Values are views of one document that all copies share; const and thread-compatible.
///
/// transformers leaves out of nested objects what equals its defaults, so most keys are asked for
/// with the default of their family; without one, an absent key is an error. null counts as absent.
class Config {
 public:
  /// Of a text that `file` stands for in messages; at most 16 MB, 32 levels.
  static Config parse(std::string file, std::span<const std::byte> text);

  /// The objects of a text that holds a list of them, at most 1024; messages say "[3].key".
  static std::vector<Config> parse_list(std::string file, std::span<const std::byte> text);

  const std::string& file() const { return file_; }

  bool has(std::string_view key) const;
  bool is_list(std::string_view key) const;
  bool is_number(std::string_view key) const;
  bool is_object(std::string_view key) const;
  /// Keys whose value is neither null nor false, in the order of their bytes.
  std::vector<std::string> keys_set() const;
  /// An object; throws if it is another thing. Absent: an empty one, so that defaults apply.
  Config in(std::string_view key) const;

  size_t integer(std::string_view key, size_t low, size_t high,
                 std::optional<size_t> absent = {}) const;
  /// A finite number.
  double number(std::string_view key, double low, double high,
                std::optional<double> absent = {}) const;
  bool boolean(std::string_view key, std::optional<bool> absent = {}) const;
  std::string string(std::string_view key, std::optional<std::string> absent = {}) const;
  std::vector<std::string> strings(std::string_view key) const;  // absent: none
  /// `n` finite numbers: a list of as many, or one that stands for all of them.
  std::vector<double> numbers(std::string_view key, size_t n, double low, double high) const;
  std::vector<size_t> integers(std::string_view key, size_t n, size_t low, size_t high) const;

  /// Throws that `key` was expected to be something else.
  [[noreturn]] void fail(std::string_view key, const std::string& expected) const;

 private:
  Config() = default;
  static Config parse_any(std::string file, std::span<const std::byte> text);
  const nlohmann::json* find(std::string_view key) const;  // nullptr where absent or null

  std::string file_, path_;
  std::shared_ptr<const nlohmann::json> document_;
  const nlohmann::json* node_ = nullptr;
};

}  // namespace sterna::models
