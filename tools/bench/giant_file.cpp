#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "bench/giant.h"
#include "cli/progress.h"

namespace sterna::cli {

namespace {

using models::GgmlType;

struct Map {
  const char* name;
  size_t m, k;
};

std::vector<Map> maps_of(const GiantShape& s) {
  return {{"qkv", 3 * s.width, s.width},
          {"attn_out", s.width, s.width},
          {"mlp_up", s.mlp, s.width},
          {"mlp_down", s.width, s.mlp}};
}

// Bytes of all tensors' data, without what the header takes.
uint64_t data_bytes(const GiantShape& s, quant::Type format) {
  uint64_t bytes = (3 * s.width + s.mlp) * sizeof(float);
  for (const Map& map : maps_of(s)) bytes += quant::weight_bytes(format, map.m, map.k) + 2 * map.m;
  return bytes * s.blocks;
}

// Whether a file holds this very stack, to the last byte.
bool complete(const std::filesystem::path& path, const GiantShape& s, quant::Type format) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return false;
  try {
    const models::Gguf file = models::Gguf::open(path);
    return file.has("sterna.predictor.width") && file.has("sterna.predictor.blocks") &&
           file.integer("sterna.predictor.width") == s.width &&
           file.integer("sterna.predictor.blocks") == s.blocks &&
           file.file_bytes() >= data_bytes(s, format);
  } catch (const Error&) {
    return false;
  }
}

// Bytes that are weights: any are, but for t5, where only 0 .. 242 are written.
std::vector<std::byte> noise(quant::Type format) {
  std::vector<std::byte> bytes(size_t{1} << 20);
  std::mt19937 rng(1);
  for (std::byte& b : bytes) {
    const uint32_t v = static_cast<uint32_t>(rng() & 0xffff);
    b = static_cast<std::byte>(format == quant::Type::t5 ? v % 243 : v & 255);
  }
  return bytes;
}

void declare(const GiantShape& s, quant::Type format, models::GgufWriter& out) {
  const auto floats = [&](const std::string& name, uint64_t n) {
    out.declare(name + ".weight", GgmlType::f32, std::vector<uint64_t>{n});
  };
  for (size_t b = 0; b < s.blocks; ++b) {
    const std::string block = "predictor.blocks." + std::to_string(b) + ".";
    for (const char* norm : {"attn_norm", "attn_out_norm", "mlp_norm"})
      floats(block + norm, s.width);
    floats(block + "mlp_mid_norm", s.mlp);
    for (const Map& map : maps_of(s)) {
      const std::string name = block + map.name + ".weight";
      const std::string key = "sterna.tensor." + name + ".";
      out.declare(name, GgmlType::i8,
                  std::vector<uint64_t>{quant::weight_bytes(format, map.m, map.k)});
      out.declare(name + ".scale", GgmlType::f16, std::vector<uint64_t>{map.m});
      out.set(key + "type", quant::name(format));
      out.set(key + "rows", uint64_t{map.m});
      out.set(key + "cols", uint64_t{map.k});
    }
  }
}

}  // namespace

GiantShape giant_shape(double params) {
  GiantShape s;
  const double width = std::cbrt(params * 128 / 12);
  s.width = std::max<size_t>(1, static_cast<size_t>(std::lround(width / 256))) * 256;
  s.mlp = 4 * s.width;
  s.heads = s.width / 64;
  const double block = 12.0 * static_cast<double>(s.width) * static_cast<double>(s.width);
  s.blocks = std::max<size_t>(1, static_cast<size_t>(std::lround(params / block)));
  return s;
}

std::filesystem::path write_giant(const GiantShape& s, quant::Type format,
                                  const std::filesystem::path& folder,
                                  const std::function<bool()>& stop) {
  const std::filesystem::path path = folder / ("giant-" + std::string(quant::name(format)) + "-" +
                                               std::to_string(s.weights()) + ".gguf");
  if (complete(path, s, format)) return path;
  const uint64_t bytes = data_bytes(s, format), wanted = bytes + bytes / 10;
  std::error_code unknown;
  const std::filesystem::space_info space = std::filesystem::space(folder, unknown);
  if (unknown) throw Error(folder.string() + ": cannot find its disk: " + unknown.message());
  if (space.available < wanted)
    throw Error(folder.string() + ": expected " + std::to_string(wanted) +
                " bytes of free disk, found " + std::to_string(space.available));

  models::GgufWriter out(path);
  out.set("general.architecture", "sterna-giant");
  out.set("sterna.predictor.width", uint64_t{s.width});
  out.set("sterna.predictor.blocks", uint64_t{s.blocks});
  out.set("sterna.predictor.heads", uint64_t{s.heads});
  out.set("sterna.predictor.mlp", uint64_t{s.mlp});
  declare(s, format, out);

  const std::vector<std::byte> piece = noise(format);
  constexpr size_t kMega = 1'000'000;
  Progress progress(static_cast<size_t>(bytes / kMega), 0);  // in megabytes
  uint64_t written = 0;
  const auto write = [&](std::span<const std::byte> data) {
    out.write(data);
    written += data.size();
    progress.update(static_cast<size_t>(written / kMega), 0);
  };
  for (size_t b = 0; b < s.blocks; ++b) {
    const std::vector<float> ones(3 * s.width + s.mlp, 1.0f);
    // The writer goes on to the next tensor when one is full: four norms in one piece.
    for (size_t i = 0, at = 0; i < 4; ++i, at += s.width)
      write(std::as_bytes(std::span(ones)).subspan(at * 4, (i < 3 ? s.width : s.mlp) * 4));
    for (const Map& map : maps_of(s)) {
      for (size_t left = quant::weight_bytes(format, map.m, map.k); left > 0;) {
        if (stop()) return {};
        const size_t n = std::min(left, piece.size());
        write(std::span(piece).first(n));
        left -= n;
      }
      const float scale = 1 / std::sqrt(static_cast<float>(map.k));
      const std::vector<uint16_t> scales(map.m, quant::f32_to_f16(scale));
      write(std::as_bytes(std::span(scales)));
    }
  }
  out.commit();
  return path;
}

}  // namespace sterna::cli
