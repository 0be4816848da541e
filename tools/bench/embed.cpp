#include "bench/embed.h"

#include <sterna/models/atomic_file.h>
#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/npy.h"
#include "cli/sha256.h"
#include "watch/difference.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

// Of what a script renders to: another number, another cache.
constexpr int kRendering = 1;

fs::path cache_file(const BenchDecodeOptions& options, const StreamScript& script,
                    const Model& model) {
  std::string slides;
  if (!script.pictures.empty()) {
    for (const Slide& slide : read_slides(script.pictures)) {
      slides += hex(sha256_file(slide.file)) + '\n' + slide.label + '\n' + slide.caption + '\n';
    }
  }
  const nlohmann::json key{{"rendering", kRendering},
                           {"seed", script.seed},
                           {"seconds", script.seconds},
                           {"fps", script.fps},
                           {"dissolves", script.dissolves},
                           {"still", script.still},
                           {"slides", hex(sha256(slides))},
                           {"prompt", options.prompt},
                           {"model", hex(sha256_file(model.path().string()))}};
  return fs::path(options.cache) / (hex(sha256(key.dump())).substr(0, 24) + ".npy");
}

void write_rows(const fs::path& path, const EmbeddedStream& stream) {
  fs::create_directories(path.parent_path());
  models::AtomicFile file(path);
  const std::string header = npy_header(stream.times.size(), stream.dim);
  file.write(std::as_bytes(std::span(header)));
  file.write(std::as_bytes(std::span(stream.rows)));
  file.commit();
}

bool read_rows(const fs::path& path, EmbeddedStream& stream) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  const NpyMatrix rows(path);
  if (rows.rows() != stream.times.size() || rows.cols() != stream.dim) {
    throw Error(path.string() + ": expected [" + std::to_string(stream.times.size()) + ", " +
                std::to_string(stream.dim) + "], found [" + std::to_string(rows.rows()) + ", " +
                std::to_string(rows.cols()) + "]");
  }
  for (size_t i = 0; i < rows.rows(); ++i) {
    std::ranges::copy(rows.row(i), &stream.rows[i * stream.dim]);
  }
  return true;
}

}  // namespace

EmbeddedScript embed_script(const BenchDecodeOptions& options, StreamGenerator& generator,
                            const Model& model, Session& session) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  EmbeddedScript out;
  EmbeddedStream& stream = out.stream;
  stream.dim = model.dim();
  stream.rows.resize(generator.frames() * stream.dim);
  for (size_t i = 0; i < generator.frames(); ++i) stream.times.push_back(generator.time(i));
  fs::path cached;
  if (!options.cache.empty()) {
    cached = cache_file(options, generator.script(), model);
    out.read = read_rows(cached, stream);
    if (out.read) return out;
  }

  out.spared = stream;
  Scene scene;
  vision::Image frame;
  PixelDifference difference(options.levels);
  size_t last = 0;  // row of the frame encoded last
  const auto add = [&](const Cost& before, const Cost& after) {
    out.cost.cpu_seconds += after.cpu_seconds - before.cpu_seconds;
    if (after.joules) {
      out.cost.joules = out.cost.joules.value_or(0) + *after.joules - before.joules.value_or(0);
    }
    if (after.instructions) {
      out.cost.instructions =
          out.cost.instructions.value_or(0) + *after.instructions - before.instructions.value_or(0);
    }
  };
  for (size_t i = 0; i < generator.frames(); ++i) {
    generator.render(i, frame);
    const std::span<float> row = std::span(stream.rows).subspan(i * stream.dim, stream.dim);
    const Cost before = options.meter->read();
    const auto start = Clock::now();
    model.see(frame.view(), scene, session);
    if (options.prompt.empty()) {
      model.embed(scene, row, session);
    } else {
      model.predict(scene, options.prompt, row, session);
    }
    out.embed_seconds += since(start);
    add(before, options.meter->read());
    const auto compare = Clock::now();
    if (difference.changed(frame.view())) {
      last = i;
      ++out.encoded;
    }
    out.compare_seconds += since(compare);
    std::ranges::copy(stream.row(last), &out.spared.rows[i * stream.dim]);
  }
  if (!cached.empty()) write_rows(cached, stream);
  return out;
}

}  // namespace sterna::cli
