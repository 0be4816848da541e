#include "sterna/models/safetensors.h"

#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "safetensors_header.h"
#include "sterna/models/mapped_file.h"
#include "text.h"

namespace sterna::models {

static_assert(std::endian::native == std::endian::little, "safetensors data are used as they lie");

namespace {

constexpr uint64_t max_header = 100'000'000;  // the reference's MAX_HEADER_SIZE

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  size_t bytes;
};
constexpr std::array dtypes = {
    DtypeInfo{Dtype::f64, "F64", 8},      DtypeInfo{Dtype::f32, "F32", 4},
    DtypeInfo{Dtype::f16, "F16", 2},      DtypeInfo{Dtype::bf16, "BF16", 2},
    DtypeInfo{Dtype::i64, "I64", 8},      DtypeInfo{Dtype::i32, "I32", 4},
    DtypeInfo{Dtype::i8, "I8", 1},        DtypeInfo{Dtype::u8, "U8", 1},
    DtypeInfo{Dtype::boolean, "BOOL", 1},
};

template <class From, class To, class F>
std::vector<To> convert(std::span<const std::byte> data, F&& f) {
  std::vector<To> out(data.size() / sizeof(From));
  for (size_t i = 0; i < out.size(); ++i) {
    From x;
    std::memcpy(&x, data.data() + i * sizeof(From), sizeof(From));
    out[i] = f(x);
  }
  return out;
}

const DtypeInfo& info(Dtype dtype) { return dtypes[static_cast<size_t>(dtype)]; }

}  // namespace

size_t bytes_of(Dtype dtype) { return info(dtype).bytes; }
std::string_view name(Dtype dtype) { return info(dtype).name; }

std::optional<Dtype> parse_dtype(std::string_view text) {
  for (const DtypeInfo& d : dtypes) {
    if (d.name == text) return d.dtype;
  }
  return std::nullopt;
}

std::vector<float> SafeTensor::floats() const {
  const auto cast = [](auto x) { return static_cast<float>(x); };
  switch (dtype) {
    case Dtype::f64:
      return convert<double, float>(data, cast);
    case Dtype::f32:
      return convert<float, float>(data, cast);
    case Dtype::f16:
      return convert<uint16_t, float>(data, quant::f16_to_f32);
    case Dtype::bf16:
      return convert<uint16_t, float>(data, quant::bf16_to_f32);
    case Dtype::i64:
      return convert<int64_t, float>(data, cast);
    case Dtype::i32:
      return convert<int32_t, float>(data, cast);
    case Dtype::i8:
      return convert<int8_t, float>(data, cast);
    case Dtype::u8:
      return convert<uint8_t, float>(data, cast);
    case Dtype::boolean:
      return convert<uint8_t, float>(data, [](uint8_t x) { return x ? 1.f : 0.f; });
  }
  return {};
}

std::vector<int64_t> SafeTensor::integers() const {
  const auto cast = [](auto x) { return static_cast<int64_t>(x); };
  switch (dtype) {
    case Dtype::i64:
      return convert<int64_t, int64_t>(data, cast);
    case Dtype::i32:
      return convert<int32_t, int64_t>(data, cast);
    case Dtype::i8:
      return convert<int8_t, int64_t>(data, cast);
    case Dtype::u8:
      return convert<uint8_t, int64_t>(data, cast);
    case Dtype::boolean:
      return convert<uint8_t, int64_t>(data, [](uint8_t x) { return x ? 1 : 0; });
    default:
      break;
  }
  throw Error("tensor " + in_quotes(name) + ": expected integers, found " +
              std::string(models::name(dtype)));
}

Safetensors::Safetensors() = default;
Safetensors::Safetensors(Safetensors&&) noexcept = default;
Safetensors& Safetensors::operator=(Safetensors&&) noexcept = default;
Safetensors::~Safetensors() = default;

Safetensors Safetensors::open(const std::filesystem::path& path) {
  auto map = std::make_unique<MappedFile>(path);
  Safetensors file = parse(map->file(), map->bytes());
  file.map_ = std::move(map);
  return file;
}

Safetensors Safetensors::parse(std::string name, std::span<const std::byte> bytes) {
  Safetensors file;
  file.file_ = std::move(name);
  file.bytes_ = bytes;
  file.read();
  return file;
}

void Safetensors::read() {
  const auto fail = [&](const std::string& fault) { throw Error(file_ + ": " + fault); };
  uint64_t length = 0;
  if (bytes_.size() < sizeof length) {
    fail("expected a safetensors file of at least 8 bytes, found " + std::to_string(bytes_.size()));
  }
  std::memcpy(&length, bytes_.data(), sizeof length);
  const auto after = bytes_.subspan(sizeof length);
  if (length > max_header || length > after.size()) {
    fail("expected a safetensors header of at most " +
         std::to_string(std::min<uint64_t>(max_header, after.size())) + " bytes, found " +
         std::to_string(length) + " (truncated file, or another format)");
  }
  const auto header_bytes = after.first(static_cast<size_t>(length));
  const auto data = after.subspan(static_cast<size_t>(length));
  if (header_bytes.empty() || header_bytes[0] != std::byte{'{'}) {
    fail("header: expected \"{\" as its first character");
  }
  SafetensorsHeader header = parse_safetensors_header(
      file_, {reinterpret_cast<const char*>(header_bytes.data()), header_bytes.size()});

  auto& entries = header.entries;
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t end = 0;
  for (auto& entry : entries) {
    const auto wrong = [&](const std::string& f) {
      fail("tensor " + in_quotes(entry.name) + ": " + f);
    };
    uint64_t size = bytes_of(entry.dtype);
    bool fits = true, empty = false;
    for (const uint64_t d : entry.shape) {
      empty = empty || d == 0;
      fits = fits && !__builtin_mul_overflow(size, d == 0 ? 1 : d, &size);
    }
    if (!fits) wrong("expected a size below 2^64 bytes, found " + shape_text(entry.shape));
    if (empty) size = 0;
    if (entry.begin != end) {
      wrong("expected data from byte " + std::to_string(end) +
            ", where those before it end, found " + std::to_string(entry.begin));
    }
    if (entry.end < entry.begin || entry.end - entry.begin != size) {
      wrong("expected data_offsets " + std::to_string(size) + " apart for " +
            std::string(models::name(entry.dtype)) + " " + shape_text(entry.shape) + ", found " +
            std::to_string(entry.begin) + " and " + std::to_string(entry.end));
    }
    end = entry.end;
    if (end > data.size()) {
      wrong("expected data up to byte " + std::to_string(end) + ", found the end at " +
            std::to_string(data.size()) + " (truncated file)");
    }
    by_name_.emplace(entry.name, tensors_.size());
    tensors_.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape),
                        data.subspan(static_cast<size_t>(entry.begin), static_cast<size_t>(size))});
  }
  if (end != data.size()) {
    fail("expected data that end at byte " + std::to_string(end) + ", found " +
         std::to_string(data.size()) + " bytes");
  }
  metadata_ = std::move(header.metadata);
}

const SafeTensor* Safetensors::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

const SafeTensor& Safetensors::at(std::string_view name) const {
  if (const SafeTensor* tensor = find(name)) return *tensor;
  throw Error(file_ + ": tensor " + in_quotes(name) + " is missing");
}

}  // namespace sterna::models
