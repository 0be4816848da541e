#include "cli/npy.h"

#include <sterna/quant/error.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <string_view>

namespace sterna::cli {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// The value of `key` ("'name':") in the header's dictionary: what stands behind it, up to the next
/// comma outside of parentheses. Empty if the key is not there.
std::string_view value_of(std::string_view header, std::string_view key) {
  const size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  size_t begin = at + key.size();
  while (begin < header.size() && header[begin] == ' ') ++begin;
  size_t end = begin;
  for (int depth = 0; end < header.size(); ++end) {
    if (header[end] == '(') ++depth;
    if (header[end] == ')') --depth;
    if (depth == 0 && (header[end] == ',' || header[end] == '}')) break;
  }
  return header.substr(begin, end - begin);
}

/// "(3, 384)" -> {3, 384}; false for any other rank or spelling.
bool parse_shape(std::string_view text, uint64_t& rows, uint64_t& cols) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return false;
  const char* at = text.data() + 1;
  const char* const end = text.data() + text.size() - 1;
  const auto number = [&](uint64_t& out) {
    while (at < end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, out);
    at = next;
    return error == std::errc();
  };
  if (!number(rows) || at == end || *at++ != ',' || !number(cols)) return false;
  while (at < end && (*at == ' ' || *at == ',')) ++at;
  return at == end;
}

}  // namespace

std::string npy_header(uint64_t rows, uint64_t cols) {
  std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                           std::to_string(rows) + ", " + std::to_string(cols) + "), }";
  constexpr size_t kPrefix = 10;  // magic, version, length
  dictionary.resize(kNpyHeaderBytes - kPrefix - 1, ' ');
  std::string header(kMagic);
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(kNpyHeaderBytes - kPrefix);
  header += '\x00';
  return header + dictionary + "\n";
}

NpyMatrix::NpyMatrix(const std::filesystem::path& path) : map_(path) {
  const auto bytes = map_.bytes();
  const auto fail = [&](const std::string& fault) { throw Error(map_.file() + ": " + fault); };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() < 12 || !text.starts_with(kMagic)) fail("expected a .npy file, found none");
  const int version = text[6];
  if (version < 1 || version > 3) {
    fail("expected .npy version 1 to 3, found " + std::to_string(version));
  }
  // Version 1 has a 16-bit header length, the others a 32-bit one.
  const size_t prefix = version == 1 ? 10 : 12;
  uint32_t length = 0;
  std::memcpy(&length, text.data() + 8, version == 1 ? 2 : 4);
  if (length > text.size() - prefix) fail("its header is cut off");
  const std::string_view header = text.substr(prefix, length);
  if (value_of(header, "'descr':") != "'<f4'") {
    fail("expected float32 ('<f4'), found " + std::string(value_of(header, "'descr':")));
  }
  if (value_of(header, "'fortran_order':") != "False")
    fail("expected C order, found Fortran order");
  uint64_t rows = 0, cols = 0;
  if (!parse_shape(value_of(header, "'shape':"), rows, cols)) {
    fail("expected a shape (rows, columns), found " + std::string(value_of(header, "'shape':")));
  }
  const uint64_t available = (text.size() - prefix - length) / sizeof(float);
  if (cols != 0 && rows > available / cols) {
    fail("expected " + std::to_string(rows) + " rows of " + std::to_string(cols) +
         ", found a file of " + std::to_string(text.size()) + " bytes");
  }
  if ((prefix + length) % alignof(float) != 0) fail("its data are not aligned");
  data_ = reinterpret_cast<const float*>(text.data() + prefix + length);
  rows_ = rows;
  cols_ = cols;
}

}  // namespace sterna::cli
