#pragma once

#include <sterna/models/quantize.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace sterna::models {

struct ConvertReport {
  std::vector<QuantizedTensor> tensors;
  std::vector<std::string> texts;  // config.json, text/tokenizer.json, ... that travel along
  /// Tensors of types that GGUF lacks (U8, BOOL) or without elements, which no model reads.
  std::vector<std::string> left_out;
  std::vector<QuantizeRule> unmatched;  // rules that match no tensor
  uint64_t file_before = 0, file_after = 0;  // of the folder's checkpoints; of `out`
};

/// Writes a folder as Hugging Face's libraries save it (of any family that check() runs, of
/// open-vljepa, of sentence-transformers, or composed by sterna.json) as one GGUF, which check(),
/// quantize() and CheckpointModel take in its place: `general.architecture` is "sterna-folder", the
/// texts that describe the model, its tokenizer and its preprocessing are metadata
/// `sterna.file.NAME`, and tensors keep their names, those of a folder in the folder with its name
/// and a slash before.
///
/// Each tensor is stored by the first rule that matches its name or what it is there for (see
/// QuantizeRule), and without one as it is: F32, F16 or BF16, row by row. Types that make no sense
/// for a tensor are refused. The folder is bound first, so that one which can't be run is an error
/// before anything is written; then tensors are read, packed and written one after another, so
/// memory holds one of them at a time. `out` appears only when complete. Throws sterna::Error
/// naming file and fault; also if the disk hasn't room for `out`.
ConvertReport convert(const std::filesystem::path& folder, const std::filesystem::path& out,
                      std::span<const QuantizeRule> rules = {}, const StopAsked& stop = {});

/// Whether `file` is a GGUF that convert() wrote; throws if it is no GGUF.
bool is_converted(const std::filesystem::path& file);

}  // namespace sterna::models
