#include <sterna/quant/error.h>

#include "cli/embed_job.h"
#include "cli/embedder.h"
#include "cli/error.h"
#include "cli/file.h"
#include "cli/index_folder.h"
#include "cli/inputs.h"
#include "cli/open_index.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/vector_store.h"

namespace fs = std::filesystem;

namespace sterna::cli {

int search_command(int argc, char** argv);

namespace {

struct Embedded {
  bool written = false;  // false: all failed, and FOLDER/new.npy was not made
  size_t failed = 0;
  int interrupted = 0;
};

/// Embeds pictures into FOLDER/new.npy, which a later run goes on with if this one is stopped.
Embedded embed_into(const fs::path& output, const Embedder& embedder, const Json& settings,
                    const std::vector<std::string>& inputs, int threads) {
  VectorStore store(StorePaths(output), embedder.dim(), settings, inputs, true, false);
  EmbedJob job{.inputs = inputs,
               .text = false,
               .threads = threads,
               .first = store.resumed(),
               .failed = store.failed(),
               .reduced_side = reduced_side_of(settings)};
  const EmbedCounts counts = run_embed_job(embedder, job, store);
  bool written = false;
  if (counts.interrupted != 0) {
    store.checkpoint();
    message("stopped after " + std::to_string(store.rows() + store.failed()) + " of " +
            std::to_string(inputs.size()) + " inputs; the same command goes on from there");
  } else {
    written = store.finish();
  }
  return {written, counts.failed, counts.interrupted};
}

void remove_embeddings(const fs::path& output) {
  const StorePaths paths(output);
  for (const fs::path& path : {paths.vectors, paths.manifest, paths.meta}) fs::remove(path);
}

int report(const Common& common, const fs::path& folder, const IndexFolder& index, size_t added,
           size_t failed, size_t unchanged) {
  if (common.json) {
    Json line;
    put_name(line, "index", folder.string());
    line["rows"] = index.live();
    line["added"] = added;
    line["unchanged"] = unchanged;
    line["failed"] = failed;
    line["type"] = index.type();
    print_line(to_line(line));
  }
  std::string text = std::to_string(index.live()) +
                     (index.live() == 1 ? " picture in " : " pictures in ") + folder.string();
  if (failed > 0) text += ", " + std::to_string(failed) + " failed";
  message(text);
  return failed > 0 ? kSomeFailed : kDone;
}

/// While it lives no other process changes the index in `folder`.
GrowingFile lock(const fs::path& folder) { return GrowingFile(folder / "lock"); }

/// Whether the index has this very picture. One that can't be read now it has not: embedding tells.
bool is_known(const IndexFolder& index, const std::string& input) {
  const IndexEntry* known = index.find(input);
  std::error_code error;
  if (known == nullptr || !fs::is_regular_file(input, error)) return false;
  try {
    return hex(sha256_file(input)) == known->sha256;
  } catch (const Error&) {
    return false;
  }
}

/// Pictures or an embeddings.npy into `index`; returns an exit code.
int fill(IndexFolder& index, const fs::path& folder, const Common& common, const Embedder& embedder,
         const std::vector<std::string>& inputs) {
  std::vector<std::string> wanted;
  for (const std::string& input : inputs)
    if (!is_known(index, input)) wanted.push_back(input);
  const fs::path output = folder / "new.npy";
  const Embedded done = embed_into(output, embedder, index.settings(), wanted, common.threads);
  if (done.interrupted != 0) return done.interrupted;
  std::vector<IndexEntry> entries;
  if (done.written) entries = read_manifest(StorePaths(output).manifest);
  const size_t added = entries.size();
  if (added > 0) index.add(NpyMatrix(output), std::move(entries));
  const size_t unchanged = inputs.size() - wanted.size();
  if (added == 0 && done.failed > 0 && fs::exists(folder / "index.json")) {
    remove_embeddings(output);
    message("nothing was embedded: " + folder.string() + " stays as it was");
    return report(common, folder, IndexFolder::open(folder), 0, done.failed, unchanged);
  }
  index.save();
  remove_embeddings(output);
  return report(common, folder, index, added, done.failed, unchanged);
}

/// Whether vectors can be put into such an index: told before any is made.
void check_type(size_t dim, const std::string& type) {
  create_index(dim, "Flat");  // a module that does not load is another fault
  try {
    const auto trial = create_index(dim, type);
    if (!trial->needs_training()) trial->add(std::vector<float>(dim));
  } catch (const Error& e) {
    throw UsageError(std::string("--type: ") + e.what());
  }
}

int build_command(int argc, char** argv) {
  Options options(
      "index build", "INPUT...|EMBEDDINGS.npy -o INDEX [OPTION...]",
      "Make an index of pictures, or of what `sterna embed` made of them.\n\n"
      "INPUT is a picture, a folder (with those below it), a pattern, @LIST, or - for a\n"
      "list on standard input. INDEX is a folder.\n");
  options.add_model_options();
  options.add()("o,output", "INDEX", cxxopts::value<std::string>(), "INDEX")(
      "type", "A kind of FAISS index: Flat (exact), SQ8, HNSW32, IVF1024,SQ8, ...",
      cxxopts::value<std::string>()->default_value("Flat"), "NAME");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto& names = options.positionals();
  if (args->count("output") == 0) throw UsageError("expected -o INDEX");
  if (names.empty()) throw UsageError("expected pictures or EMBEDDINGS.npy");
  const fs::path folder = (*args)["output"].as<std::string>();
  const auto type = (*args)["type"].as<std::string>();

  if (fs::path(names[0]).extension() == ".npy") {
    if (names.size() > 1) throw UsageError("expected one EMBEDDINGS.npy");
    const NpyMatrix vectors(names[0]);
    const StorePaths paths(names[0]);
    std::vector<std::byte> bytes;
    read_file(paths.meta.string(), uint64_t{1} << 20, bytes);
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    const Json meta = Json::parse(text, text + bytes.size(), nullptr, false);
    if (!meta.is_object() || !meta.contains("settings")) {
      throw Error(paths.meta.string() + ": expected what `sterna embed` writes, found other JSON");
    }
    check_type(vectors.cols(), type);
    expect_index_or_free(folder);
    fs::create_directories(folder);
    const GrowingFile held = lock(folder);
    IndexFolder index = IndexFolder::create(folder, vectors.cols(), type, meta["settings"]);
    index.add(vectors, read_manifest(paths.manifest));
    index.save();
    return report(common, folder, index, vectors.rows(), 0, 0);
  }
  const auto inputs = expand_inputs(names);
  const auto embedder = open_embedder(common, Embedder::Input::pictures);
  const Json settings = embed_settings(*embedder, false);
  check_type(embedder->dim(), type);
  expect_index_or_free(folder);
  fs::create_directories(folder);
  const GrowingFile held = lock(folder);
  IndexFolder index = IndexFolder::create(folder, embedder->dim(), type, settings);
  return fill(index, folder, common, *embedder, inputs);
}

int add_command(int argc, char** argv) {
  Options options(
      "index add", "INDEX INPUT... [OPTION...]",
      "Add pictures to an index. Those that are there unchanged are left alone, changed\n"
      "ones are replaced.\n");
  options.add_model_options();
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto& names = options.positionals();
  if (names.size() < 2) throw UsageError("expected INDEX and pictures");
  const auto inputs = expand_inputs(std::span(names).subspan(1));
  const auto embedder = open_embedder(common, Embedder::Input::pictures);
  // Of a folder that holds no index, opening tells.
  const bool there = fs::exists(fs::path(names[0]) / "index.json");
  const GrowingFile held = there ? lock(names[0]) : GrowingFile();
  IndexFolder index = open_index(names[0], *embedder, common);
  return fill(index, names[0], common, *embedder, inputs);
}

}  // namespace

/// `sterna index build|add|search`.
int index_command(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "build") return build_command(argc - 1, argv + 1);
  if (verb == "add") return add_command(argc - 1, argv + 1);
  if (verb == "search") return search_command(argc - 1, argv + 1);
  if (verb == "--help" || verb == "-h") {
    print_line(
        "Make and search an index of pictures.\nUsage:\n"
        "  sterna index build INPUT...|EMBEDDINGS.npy -o INDEX\n"
        "  sterna index add INDEX INPUT...\n"
        "  sterna index search INDEX \"WORDS\" | --image PICTURE\n\n"
        "`sterna index build --help` and so on tell more.");
    return kDone;
  }
  throw UsageError("expected build, add or search" +
                   (verb.empty() ? "" : ", found \"" + verb + "\""));
}

}  // namespace sterna::cli
