#include "sterna/models/check.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "golden.h"
#include "runner.h"
#include "sample_inputs.h"
#include "towers.h"

namespace sterna::models {

std::vector<Agreement> check_source(const Source& source, const Golden& golden, Session& session,
                                    const CheckOptions& options) {
  const FolderModel model =
      open_source(source, {.isa = options.isa, .blocks = options.weights});
  Runner runner(model, golden, session, options.isa);
  return golden.compare_all(source.name(),
                            [&](const std::string& output) { return runner.run(output); });
}

std::vector<Agreement> check(const std::filesystem::path& path, const std::filesystem::path& file,
                             Session& session, const CheckOptions& options) {
  std::error_code none;
  if (!std::filesystem::is_directory(path, none)) {
    auto gguf = std::make_shared<const Gguf>(Gguf::open(path));
    if (!Source::is_converted(*gguf)) return check_gguf(*gguf, Golden(file), session, options.isa);
    return check_source(Source::of(std::move(gguf)), Golden(file), session, options);
  }
  return check_source(Source::open(path), Golden(file), session, options);
}

std::vector<OutputChange> compare(const std::filesystem::path& before,
                                  const std::filesystem::path& after,
                                  const std::filesystem::path& golden, Session& session,
                                  quant::Isa isa) {
  const CheckOptions options{.isa = isa};
  std::vector<OutputChange> changes;
  if (!golden.empty()) {
    const auto found = check(before, golden, session, options);
    const auto left = check(after, golden, session, options);
    for (size_t i = 0; i < found.size(); ++i)
      changes.push_back({found[i].output, found[i].cosine, left[i].cosine});
    return changes;
  }
  std::map<std::string, double> before_itself;  // 1, but for what is no number
  const std::vector<std::byte> made_up = [&] {
    const FolderModel model = open_source(Source::open(before), {.isa = isa});
    SafetensorsBytes file = sample_inputs(model);
    const std::vector<std::byte> inputs = file.bytes();
    const Golden samples(Safetensors::parse("made-up inputs", inputs));
    Runner runner(model, samples, session, isa);
    for (const std::string& output : runner.outputs()) {
      const Found found = runner.run(output);
      const bool finite = std::all_of(found.values.begin(), found.values.end(),
                                      [](float v) { return std::isfinite(v); });
      before_itself[output] = finite ? 1 : std::numeric_limits<double>::quiet_NaN();
      file.add(output, Dtype::f32, found.shape, std::as_bytes(std::span(found.values)));
    }
    return file.bytes();
  }();
  const Golden samples(Safetensors::parse("made-up inputs", made_up));
  for (const Agreement& agreement :
       check_source(Source::open(after), samples, session, options))
    changes.push_back({agreement.output, before_itself[agreement.output], agreement.cosine});
  return changes;
}

}  // namespace sterna::models
