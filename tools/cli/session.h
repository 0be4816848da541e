#pragma once

#include <sterna/models/model.h>
#include <sterna/vision/image.h>

#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/sha256.h"

namespace sterna::cli {

/// What one thread brings to a run over many pictures: the model's session, and memory reused from
/// picture to picture.
struct Worker {
  explicit Worker(int threads) : session(threads) {}
  Session session;
  Scene scene;
  std::vector<std::byte> bytes;  // of the file
};

/// Reads picture `name` ("-": standard input) into worker.bytes. Throws Error naming it.
void read_picture(const std::string& name, Worker& worker);
/// The upright pixels of worker.bytes. Throws Error naming the picture.
/// With `reduced_side` a JPEG may come out smaller, as vision::DecodeLimits has it.
vision::Image decode_picture(const std::string& name, const Worker& worker,
                             size_t reduced_side = 0);
/// The text of whatever an item's work threw, for its failure line. Call it in a catch block.
std::string current_fault(const std::string& name);

}  // namespace sterna::cli
