#pragma once

#include <sterna/models/quantize.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace sterna::cli {

/// What `model quantize --calibrate` names, in memory.
struct CalibrationFiles {
  std::filesystem::path inputs;
  std::vector<std::string> texts;
  std::vector<models::AskedPicture> pictures;  // each once, with all that is asked about it

  /// Views of this.
  models::Calibration view(int threads) const;
};

/// Reads the files by their names' ends: .safetensors are inputs, of which there can be one; .jsonl
/// are pictures and questions as `ask --batch` takes them; others are texts, one a line. Pictures
/// are opened when they are needed. Throws Error naming file, line and fault.
CalibrationFiles read_calibration(std::span<const std::string> files);

}  // namespace sterna::cli
