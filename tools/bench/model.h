#pragma once

#include <sterna/quant/isa.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

namespace sterna::cli {

struct BenchModelOptions {
  std::filesystem::path model;
  std::filesystem::path picture;
  std::string question = "what is in the picture?";
  std::filesystem::path writer = {};  // a language model to write captions with, too
  quant::Isa isa = quant::best_isa();
  int threads = 0;     // of the throughput part; 0: every core
  int rounds = 30;     // each stage measured this often; best and median are shown
  double seconds = 2;  // of the throughput part
  bool json = false;
  std::function<void(const std::string&)> print;  // gets finished lines
};

/// `sterna bench model`: where the time of one answer goes, stage by stage on one thread, what it
/// costs beside time (joules and instructions where the machine counts them, the weights of the
/// model file that it touches), and how many pictures a second are decoded and embedded by one
/// worker a core. Returns the exit code; throws sterna::Error if the model or the picture can't be
/// used.
int bench_model(const BenchModelOptions& options);

}  // namespace sterna::cli
