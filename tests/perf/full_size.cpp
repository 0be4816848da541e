// Loads a vision-language model of checkpoint folders and asks it a question about a clip: load
// time, memory beside the weights, and the times of the parts; one JSON object.
//   perf_full_size MODEL [TYPE] [THREADS] [FRAMES] [SIDE] [TURNS]
// MODEL is a folder, or a file converted of one; TYPE is what transformer blocks that lie there as
// floats are packed to (bf16). Pixels and ids are made up: the work does
// not depend on them. tests/perf/full_size.py makes MODEL and runs PyTorch beside.
#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "models/towers.h"

using namespace sterna;

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A line of /proc/self/status, in MB.
double megabytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":"))
      return std::strtod(&line[key.size() + 1], nullptr) * 1024 / 1e6;
  }
  return 0;
}

double megabytes_of_weights(const std::filesystem::path& model) {
  if (std::filesystem::is_regular_file(model))
    return static_cast<double>(std::filesystem::file_size(model)) / 1e6;
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(model)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("model") && name.ends_with(".safetensors"))
      bytes += static_cast<double>(entry.file_size());
  }
  return bytes / 1e6;
}

/// What was measured, fastest of the turns.
struct Times {
  double see = 1e9, predict = 1e9, read = 1e9;
};

Times ask(const models::FolderModel& model, Session& session, size_t frames, size_t side,
          int turns) {
  constexpr size_t kQuery = 16, kAnswer = 16;
  std::vector<float> pixels(frames * 3 * side * side);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& v : pixels) v = normal(random);
  const vision::Clip clip{pixels.data(), frames, side, side};
  const vision::Vit& vit = model.vision->vit;
  const size_t n = vit.tokens(clip);
  std::vector<float> tokens(n * vit.width()), out(model.predictor->dim());
  const nn::Mat<float> seen(tokens.data(), n, vit.width());
  std::vector<uint32_t> query(kQuery), answer(kAnswer), places(kQuery);
  for (uint32_t i = 0; i < kQuery; ++i) query[i] = answer[i] = 5 + (places[i] = i);
  const std::vector<uint32_t> starts = {0, kAnswer};
  std::vector<float> states(kAnswer * model.text->tower.width());
  const nn::Mat<float> read(states.data(), kAnswer, model.text->tower.width());

  Times best;
  for (int turn = 0; turn < turns; ++turn) {
    best.see =
        std::min(best.see,
                 seconds_of([&] { vit.forward(clip, seen, session.executor, session.workspace); }));
    best.predict = std::min(best.predict, seconds_of([&] {
                              model.predictor->forward(seen, query, places, out, session.executor,
                                                       session.workspace);
                            }));
    best.read = std::min(best.read, seconds_of([&] {
                           model.text->tower.forward(answer, {starts, places, {}}, read,
                                                     session.executor, session.workspace);
                         }));
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, long absent) {
    return argc > i ? std::strtol(argv[i], nullptr, 10) : absent;
  };
  if (argc < 2) {
    std::fprintf(stderr, "perf_full_size MODEL [TYPE] [THREADS] [FRAMES] [SIDE] [TURNS]\n");
    return 2;
  }
  try {
    const std::string type = argc > 2 ? argv[2] : "bf16";
    models::FolderModel model;
    const double load = seconds_of(
        [&] { model = models::open_folder(argv[1], quant::best_isa(), quant::parse_type(type)); });
    if (!model.vision || !model.text || !model.predictor)
      throw Error(std::string(argv[1]) + ": expected a tower of each kind and a predictor");
    const double loaded = megabytes("VmRSS");
    Session session(static_cast<int>(number(3, 0)));
    const Times times = ask(model, session, static_cast<size_t>(number(4, 8)),
                            static_cast<size_t>(number(5, 256)), static_cast<int>(number(6, 2)));
    const double weights = megabytes_of_weights(argv[1]), top = megabytes("VmHWM");
    std::printf(
        "{\"weights_mb\": %.0f, \"load_s\": %.2f, \"rss_loaded_mb\": %.0f, "
        "\"rss_mb\": %.0f, \"rss_top_mb\": %.0f, \"rss_by_weights\": %.3f, \"see_s\": %.2f, "
        "\"predict_s\": %.2f, \"question_s\": %.2f, \"answer_text_s\": %.3f}\n",
        weights, load, loaded, megabytes("VmRSS"), top, top / weights, times.see,
        times.predict, times.see + times.predict, times.read);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "perf_full_size: %s\n", e.what());
    return 3;
  }
}
