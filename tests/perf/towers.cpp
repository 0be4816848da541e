// Runs a tower of a checkpoint folder whenever told to, so that a script can take turns with other
// runtimes (tests/perf/towers_against_peers.py).
//   perf_towers FOLDER TYPE THREADS BATCH SIZE INPUT
// TYPE is what transformer blocks are packed to. INPUT holds the batch: pictures [BATCH, 3, SIZE,
// SIZE] float32 of a vision tower, or ids [BATCH, SIZE] int32 of a text tower. Lines on standard
// input: "run" runs the batch and answers its seconds; "save FILE" runs it and writes the last
// hidden states as float32.
#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "models/towers.h"

using namespace sterna;

namespace {

template <class T>
std::vector<T> read(const char* path, size_t count) {
  std::vector<T> values(count);
  std::ifstream file(path, std::ios::binary);
  const auto bytes = static_cast<std::streamsize>(count * sizeof(T));
  if (!file.read(reinterpret_cast<char*>(values.data()), bytes))
    throw Error(std::string(path) + ": expected " + std::to_string(bytes) + " bytes");
  return values;
}

/// A batch that can be run again and again; `states` holds the last hidden states.
struct Pictures {
  std::vector<float> pixels;
  size_t batch, side;
  std::vector<float> states = {};

  void run(const models::FolderModel& model, Session& session) {
    const vision::Vit& vit = model.vision->vit;
    const vision::Clip clips{pixels.data(), 1, side, side, batch};
    const size_t rows = batch * vit.tokens(clips);
    states.resize(rows * vit.width());
    vit.forward(clips, {states.data(), rows, vit.width()}, session.executor, session.workspace);
  }
};

struct Texts {
  std::vector<uint32_t> ids;
  size_t batch, length;
  std::vector<float> states = {};

  void run(const models::FolderModel& model, Session& session) {
    const language::TextTower& tower = model.text->tower;
    std::vector<uint32_t> starts, places;
    for (size_t i = 0; i <= batch; ++i) starts.push_back(static_cast<uint32_t>(i * length));
    for (size_t i = 0; i < ids.size(); ++i) places.push_back(static_cast<uint32_t>(i % length));
    states.resize(ids.size() * tower.width());
    tower.forward(ids, {starts, places, {}}, {states.data(), ids.size(), tower.width()},
                  session.executor, session.workspace);
  }
};

template <class Batch>
void serve(Batch batch, const models::FolderModel& model, Session& session) {
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    batch.run(model, session);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (line.starts_with("save ")) {
      std::ofstream out(line.substr(5), std::ios::binary);
      out.write(reinterpret_cast<const char*>(batch.states.data()),
                static_cast<std::streamsize>(batch.states.size() * sizeof(float)));
    }
    std::printf("%.6f\n", took.count());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "perf_towers FOLDER TYPE THREADS BATCH SIZE INPUT\n");
    return 2;
  }
  try {
    const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
    const models::FolderModel model =
        models::open_folder(argv[1], quant::best_isa(), quant::parse_type(argv[2]));
    Session session(static_cast<int>(number(3)));
    const size_t batch = number(4), size = number(5);
    if (model.vision) {
      serve(Pictures{read<float>(argv[6], batch * 3 * size * size), batch, size}, model, session);
    } else if (model.text) {
      serve(Texts{read<uint32_t>(argv[6], batch * size), batch, size}, model, session);
    } else {
      throw Error(std::string(argv[1]) + ": expected a vision or a text tower");
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "perf_towers: %s\n", e.what());
    return 3;
  }
}
