#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace sterna::language {

/// `text` as a JSON string in ASCII: safe in a one-line message.
std::string quoted(const std::string& text);

/// Parses hostile JSON: at most 64 MiB (kMaxJsonBytes) and 32 levels of nesting. Fractions become
/// the doubles that `tokenizers` reads. Throws sterna::Error "WHERE: expected ..., found ...".
inline constexpr size_t kMaxJsonBytes = size_t{64} << 20;
nlohmann::json parse_json(std::string_view text, std::string_view where);

/// The bytes of a file of at most kMaxJsonBytes. Throws sterna::Error "FILE: expected ..., found
/// ...".
std::string read_json_file(const std::filesystem::path& file);

/// A node of a document (not owned) and the way to it. Every reader throws sterna::Error
/// "WHERE: node.of[3].node: expected ..., found ..." for another type or range.
struct JsonNode {
  const nlohmann::json& json;
  std::string path;  // of the root: "WHERE: "

  /// What was found, short enough for one line.
  std::string found() const;
  [[noreturn]] void fail(const std::string& expected) const;
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const;

  /// Null where absent.
  JsonNode operator[](const char* key) const;
  JsonNode operator[](const std::string& key) const;  // of the file's own making
  JsonNode operator[](size_t i) const;

  bool absent() const { return json.is_null(); }
  const std::string& string() const;
  std::string string_or(const char* absent_value) const;
  bool boolean(std::optional<bool> absent_value = {}) const;
  uint32_t integer(uint32_t max) const;
  double number() const;
  size_t list() const;
  void must_be(std::string_view text) const;
};

}  // namespace sterna::language
