#include "gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "text.h"

namespace sterna::models {

static_assert(std::endian::native == std::endian::little, "GGUF data are used as they lie");

namespace {

constexpr uint64_t max_alignment = 1 << 20;

bool multiply(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

}  // namespace

void GgufParser::fail(const std::string& fault) const {
  std::string where = where_.section;
  if (!where_.name.empty()) {
    where += " " + in_quotes(where_.name);
  } else if (where_.section != std::string_view("header")) {
    where += " " + std::to_string(where_.index);
  }
  throw Error(out_.file_ + ": " + where + ": " + fault);
}

void GgufParser::need(uint64_t bytes) const {
  if (bytes > remaining()) {
    fail("expected " + std::to_string(bytes) + " more bytes, found " + std::to_string(remaining()) +
         " (truncated or corrupt file)");
  }
}

template <class T>
T GgufParser::read() {
  need(sizeof(T));
  T value;
  std::memcpy(&value, out_.bytes_.data() + position_, sizeof(T));
  position_ += sizeof(T);
  return value;
}

std::string_view GgufParser::read_string() {
  const uint64_t n = read<uint64_t>();
  need(n);
  const auto* text = reinterpret_cast<const char*>(out_.bytes_.data() + position_);
  position_ += static_cast<size_t>(n);
  return {text, static_cast<size_t>(n)};
}

uint64_t GgufParser::read_count(const char* things, size_t min_bytes) {
  const uint64_t n = read<uint64_t>();
  if (n > remaining() / min_bytes) {
    fail("expected at most " + std::to_string(remaining() / min_bytes) + " " + things + " in the " +
         std::to_string(remaining()) + " bytes that remain, found a count of " + std::to_string(n));
  }
  return n;
}

GgufKind GgufParser::read_kind() {
  const uint32_t number = read<uint32_t>();
  if (number > static_cast<uint32_t>(GgufKind::f64)) {
    fail("expected a value type from 0 to 12, found " + std::to_string(number));
  }
  return static_cast<GgufKind>(number);
}

bool GgufParser::read_bool() {
  const uint8_t byte = read<uint8_t>();
  if (byte > 1) fail("expected a boolean, 0 or 1, found " + std::to_string(byte));
  return byte == 1;
}

GgufValue GgufParser::read_value() {
  switch (read_kind()) {
    case GgufKind::u8:
      return uint64_t{read<uint8_t>()};
    case GgufKind::i8:
      return int64_t{read<int8_t>()};
    case GgufKind::u16:
      return uint64_t{read<uint16_t>()};
    case GgufKind::i16:
      return int64_t{read<int16_t>()};
    case GgufKind::u32:
      return uint64_t{read<uint32_t>()};
    case GgufKind::i32:
      return int64_t{read<int32_t>()};
    case GgufKind::f32:
      return double{read<float>()};
    case GgufKind::boolean:
      return read_bool();
    case GgufKind::string:
      return read_string();
    case GgufKind::array:
      return read_array();
    case GgufKind::u64:
      return read<uint64_t>();
    case GgufKind::i64:
      return read<int64_t>();
    case GgufKind::f64:
      return read<double>();
  }
  fail("unknown value type");
}

template <class From, class To>
GgufValue GgufParser::read_scalars(uint64_t n) {
  std::vector<To> out;
  out.reserve(static_cast<size_t>(n));
  for (uint64_t i = 0; i < n; ++i) out.push_back(static_cast<To>(read<From>()));
  return out;
}

GgufValue GgufParser::read_array() {
  const GgufKind kind = read_kind();
  constexpr size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};  // of a string: its length
  if (kind == GgufKind::array)
    fail("expected an array of scalars or strings, found an array of arrays");
  const uint64_t n = read_count("array elements", sizes[static_cast<uint32_t>(kind)]);
  switch (kind) {
    case GgufKind::u8:
      return read_scalars<uint8_t, uint64_t>(n);
    case GgufKind::i8:
      return read_scalars<int8_t, int64_t>(n);
    case GgufKind::u16:
      return read_scalars<uint16_t, uint64_t>(n);
    case GgufKind::i16:
      return read_scalars<int16_t, int64_t>(n);
    case GgufKind::u32:
      return read_scalars<uint32_t, uint64_t>(n);
    case GgufKind::i32:
      return read_scalars<int32_t, int64_t>(n);
    case GgufKind::f32:
      return read_scalars<float, double>(n);
    case GgufKind::u64:
      return read_scalars<uint64_t, uint64_t>(n);
    case GgufKind::i64:
      return read_scalars<int64_t, int64_t>(n);
    case GgufKind::f64:
      return read_scalars<double, double>(n);
    case GgufKind::boolean: {
      std::vector<bool> out;
      out.reserve(static_cast<size_t>(n));
      for (uint64_t i = 0; i < n; ++i) out.push_back(read_bool());
      return out;
    }
    case GgufKind::string: {
      std::vector<std::string_view> out;
      out.reserve(static_cast<size_t>(n));
      for (uint64_t i = 0; i < n; ++i) out.push_back(read_string());
      return out;
    }
    case GgufKind::array:
      break;  // refused above
  }
  fail("unknown value type");
}

void GgufParser::header() {
  if (remaining() < 4 || std::memcmp(out_.bytes_.data(), "GGUF", 4) != 0) {
    throw Error(out_.file_ + ": expected a GGUF file (first bytes \"GGUF\"), found something else");
  }
  position_ = 4;
  out_.version_ = read<uint32_t>();
  if (out_.version_ != 2 && out_.version_ != 3) {
    const bool big_endian = out_.version_ == 2u << 24 || out_.version_ == 3u << 24;
    fail("expected GGUF version 2 or 3, found " +
         (big_endian ? "a big-endian file" : std::to_string(out_.version_)));
  }
  // The smallest tensor record: length of an empty name, no dimensions, type, offset. The smallest
  // metadata: length of a key of one byte, type, a value of one byte.
  tensor_count_ = read_count("tensors", 8 + 4 + 4 + 8);
  metadata_count_ = read_count("metadata entries", 8 + 1 + 4 + 1);
}

void GgufParser::metadata() {
  for (uint64_t i = 0; i < metadata_count_; ++i) {
    where_ = {"metadata", {}, i};
    const std::string_view key = read_string();
    if (key.empty()) fail("expected a key, found an empty string");
    where_.name = key;
    const size_t start = position_;
    GgufValue value = read_value();
    if (!out_.metadata_.emplace(key, std::move(value)).second) fail("key occurs twice");
    out_.encoded_.emplace(key, out_.bytes_.subspan(start, position_ - start));
  }
  where_ = {};
  if (!out_.has("general.alignment")) return;
  out_.alignment_ = out_.integer("general.alignment", 8, max_alignment);
  if (!std::has_single_bit(out_.alignment_)) {
    throw Error(out_.file_ + ": metadata \"general.alignment\": expected a power of two, found " +
                std::to_string(out_.alignment_));
  }
}

void GgufParser::tensor_info() {
  out_.tensors_.reserve(static_cast<size_t>(tensor_count_));
  offsets_.reserve(static_cast<size_t>(tensor_count_));
  for (uint64_t i = 0; i < tensor_count_; ++i) {
    where_ = {"tensor", {}, i};
    const std::string_view name = read_string();
    if (name.empty()) fail("expected a name, found an empty string");
    where_.name = name;
    if (!out_.by_name_.emplace(name, static_cast<size_t>(i)).second) fail("name occurs twice");
    const uint32_t rank = read<uint32_t>();
    if (rank > 4) fail("expected at most 4 dimensions, found " + std::to_string(rank));
    GgufTensor tensor;
    tensor.name = name;
    uint64_t elements = 1;
    for (uint32_t d = 0; d < rank; ++d) {
      const uint64_t size = read<uint64_t>();
      if (size == 0) fail("expected dimensions of at least 1, found 0");
      if (!multiply(elements, size, &elements)) fail("its dimensions multiply to more than 2^64");
      tensor.shape.insert(tensor.shape.begin(), size);
    }
    tensor.type = static_cast<GgmlType>(read<uint32_t>());
    offsets_.push_back(read<uint64_t>());
    out_.tensors_.push_back(std::move(tensor));
  }
}

uint64_t GgufParser::tensor_bytes(const GgufTensor& tensor) const {
  const auto info = ggml_type_info(tensor.type);
  if (!info) return 0;
  const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % info->block != 0) {
    fail("expected rows of a multiple of " + std::to_string(info->block) + " elements for " +
         std::string(info->name) + ", found " + shape_text(tensor.shape));
  }
  uint64_t bytes = 0;
  if (!multiply(tensor.elements() / info->block, info->bytes, &bytes)) {
    fail("expected a size below 2^64 bytes, found " + shape_text(tensor.shape));
  }
  return bytes;
}

void GgufParser::place_data() {
  if (out_.tensors_.empty()) return;
  where_ = {};
  const uint64_t start = (position_ + out_.alignment_ - 1) / out_.alignment_ * out_.alignment_;
  if (start > out_.bytes_.size()) {
    fail("expected tensor data from byte " + std::to_string(start) +
         ", found the end of the file at " + std::to_string(out_.bytes_.size()) +
         " (truncated file)");
  }
  const auto data = out_.bytes_.subspan(static_cast<size_t>(start));
  for (size_t i = 0; i < out_.tensors_.size(); ++i) {
    GgufTensor& tensor = out_.tensors_[i];
    where_ = {"tensor", tensor.name, i};
    const uint64_t offset = offsets_[i], bytes = tensor_bytes(tensor);
    if (offset % out_.alignment_ != 0) {
      fail("expected an offset that is a multiple of " + std::to_string(out_.alignment_) +
           ", found " + std::to_string(offset));
    }
    if (offset > data.size() || bytes > data.size() - offset) {
      fail("expected " + std::to_string(bytes) + " bytes at offset " + std::to_string(offset) +
           ", found " + std::to_string(data.size()) + " bytes of data (truncated or corrupt file)");
    }
    tensor.data = data.subspan(static_cast<size_t>(offset), static_cast<size_t>(bytes));
  }
  std::vector<size_t> order(offsets_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return offsets_[a] < offsets_[b]; });
  uint64_t end = 0;
  const GgufTensor* previous = nullptr;
  for (const size_t i : order) {
    const GgufTensor& tensor = out_.tensors_[i];
    if (offsets_[i] < end) {
      where_ = {"tensor", tensor.name, i};
      fail("its data overlap those of " + in_quotes(previous->name));
    }
    if (tensor.data.empty()) continue;  // of a type whose size is unknown
    end = offsets_[i] + tensor.data.size();
    previous = &tensor;
  }
}

void GgufParser::run() {
  header();
  metadata();
  tensor_info();
  place_data();
}

}  // namespace sterna::models
