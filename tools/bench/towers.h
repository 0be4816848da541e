#pragma once

#include <sterna/quant/isa.h>

#include <filesystem>
#include <functional>
#include <string>

namespace sterna::cli {

struct BenchTowersOptions {
  std::filesystem::path folder;  // of a checkpoint, or converted
  size_t batch = 1;
  size_t size = 0;  // pixels of a side, or tokens; 0: those it was made for, or 128
  quant::Isa isa = quant::best_isa();
  int threads = 0;
  bool json = false;
  int rounds = 9;
  std::function<void(const std::string&)> print;
};

/// `sterna bench towers`: the towers of a checkpoint with blocks in f32, bf16 and int8, on made-up
/// pictures and texts, in turns with the machine's limits: milliseconds of a batch (the median),
/// and the share of the limit that its products alone would need. Returns the exit code.
int bench_towers(const BenchTowersOptions& options);

/// What a program that takes turns with other runtimes runs (peers.py): lines on standard input,
/// each answered by one.
///   tower   FOLDER TYPE BATCH SIZE INPUT: "run" runs the batch that INPUT holds (pictures [BATCH,
///   3,
///           SIZE, SIZE] float32, or ids [BATCH, SIZE] int32) and answers its seconds; "save FILE"
///           runs it and writes the last hidden states as float32
///   kernel  TYPE M K N SPAN: "run" answers the seconds of one map [M, K] of N tokens, the mean
///   over
///           8 ms after as many to wake up, its weights one of as many as fit SPAN bytes
int bench_tower_turns(const std::filesystem::path& folder, const std::string& type, size_t batch,
                      size_t size, const std::string& input, int threads, quant::Isa isa);
int bench_kernel_turns(const std::string& type, size_t m, size_t k, size_t n, size_t span,
                       int threads, quant::Isa isa);

}  // namespace sterna::cli
