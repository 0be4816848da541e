#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "cli/options.h"
#include "cli/session.h"

namespace sterna::cli {

/// What turns pictures and texts into vectors of one space: a model file of Sterna's, or somebody
/// else's checkpoint, a folder or converted. Const, shared by threads, each with a Worker of its
/// own.
class Embedder {
 public:
  enum class Input { pictures, texts };

  virtual ~Embedder() = default;
  virtual size_t dim() const = 0;
  /// Throws Error saying why, if there are no embeddings of that input.
  virtual void expect(Input input) const = 0;
  /// out [dim()], of unit length. Throws Error.
  virtual void embed(const vision::ImageView& picture, Worker& worker,
                     std::span<float> out) const = 0;
  virtual void embed(const std::string& text, Worker& worker, std::span<float> out) const = 0;
  /// Whether `text` is read to its end; longer ones are cut off.
  virtual bool reads_whole(const std::string& text) const = 0;
  /// SHA-256, in hexadecimal, of what the vectors depend on: a file, or a folder's files with their
  /// names.
  virtual std::string digest() const = 0;
};

/// Opens what the options name, or the default model, and sees that it embeds `input`. Throws Error
/// naming the file and the fault.
std::unique_ptr<Embedder> open_embedder(const Common& common, Embedder::Input input);

}  // namespace sterna::cli
