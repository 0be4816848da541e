#pragma once

#include <sterna/vision/image_processor.h>

#include <string>

#include "source.h"

namespace sterna::models {

/// How a checkpoint wants its pictures, from the first of these that is there, as
/// transformers looks for them:
///   processor_config.json's image_processor (or video_processor where `clips` is set)
///   video_preprocessor_config.json, where `clips` is set
///   preprocessor_config.json
/// Keys that are absent or null have the default of their image_processor_type (or
/// video_processor_type, or feature_extractor_type of old), which itself has one for `model_type`.
/// Throws sterna::Error naming file and key: no such file, a type that Sterna does not know, a
/// value out of range, and any other key that may change pixels and is neither null nor false.
vision::ImageProcessorSettings read_image_processor(const Source& source,
                                                    const std::string& model_type, bool clips);

/// Of a folder of timm's, which has none of these files, `pretrained_cfg` of its config.json counts
/// (timm's `resolve_data_config` and `create_transform`): input_size, interpolation, crop_pct,
/// crop_mode, mean, std.
///
/// Whether one of those files is there, and their names for messages.
bool has_image_processor(const Source& source, bool clips);
std::string image_processor_files(bool clips);

}  // namespace sterna::models
