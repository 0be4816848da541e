#pragma once

#include <tests/support/folder.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::test {

/// A GGUF file put together by hand, so that it can be wrong in any place.
class GgufBytes {
 public:
  explicit GgufBytes(uint64_t tensors = 0, uint64_t metadata = 0, uint32_t version = 3) {
    raw("GGUF").u32(version).u64(tensors).u64(metadata);
  }
  GgufBytes& raw(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  template <class T>
  GgufBytes& number(T value) {
    char b[sizeof(T)];
    std::memcpy(b, &value, sizeof(T));
    return raw({b, sizeof(T)});
  }
  GgufBytes& u8(uint8_t v) { return number(v); }
  GgufBytes& u32(uint32_t v) { return number(v); }
  GgufBytes& u64(uint64_t v) { return number(v); }
  GgufBytes& string(std::string_view text) { return u64(text.size()).raw(text); }
  GgufBytes& key(std::string_view name, uint32_t kind) { return string(name).u32(kind); }
  /// Dimensions innermost first, as they lie in the file.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    uint64_t offset) {
    string(name).u32(static_cast<uint32_t>(dims.size()));
    for (const uint64_t d : dims) u64(d);
    return u32(type).u64(offset);
  }
  GgufBytes& pad(size_t alignment) {
    while (bytes_.size() % alignment != 0) u8(0);
    return *this;
  }
  GgufBytes& zeros(size_t n) {
    bytes_.append(n, '\0');
    return *this;
  }
  Bytes bytes() const {
    const auto b = std::as_bytes(std::span(bytes_));
    return {b.begin(), b.end()};
  }

 private:
  std::string bytes_;
};

}  // namespace sterna::test
