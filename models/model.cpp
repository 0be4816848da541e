#include <sterna/language/lower_case.h>
#include <sterna/models/model.h>
#include <sterna/predictor/occlusion.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "model_impl.h"
#include "text.h"

namespace sterna {

using nn::Mat;

namespace {

models::Gguf open_checked(const std::filesystem::path& path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) {
    throw Error(path.string() +
                ": expected a model file of Sterna's, found a folder (CheckpointModel opens "
                "those)");
  }
  models::Gguf file = models::Gguf::open(path);
  const std::string_view architecture = file.string("general.architecture");
  if (architecture != "sterna") {
    throw Error(file.file() + ": general.architecture: expected \"sterna\", found \"" +
                std::string(architecture) + "\"");
  }
  file.integer("sterna.version", 1, 1);
  return file;
}

}  // namespace

Model::Impl::Impl(const std::filesystem::path& from, const Options& options)
    : path(from),
      isa(options.isa),
      file(open_checked(from)),
      preprocess(models::bind_preprocess(file)),
      text(models::bind_text(file, isa)),
      tower(models::bind_tower(file, preprocess, text.width(), isa)),
      predictor(models::bind_predictor(file, tower.width(), text.width(), isa)),
      decoder(models::bind_decoder(file, text.width(), isa)),
      writer(options.writer.empty()
                 ? models::bind_generator(file, text.width(), text.tokenizer(), isa)
                 : models::bind_prefix(file, text.width(), options.writer, isa, options.threads)),
      prompt(file.string("sterna.embed.prompt")) {}

void Model::Impl::check(const Scene& scene) const {
  if (scene.model == id && scene.tokens == tower.tokens() &&
      scene.features.size() == scene.tokens * tower.width() &&
      scene.semantics.size() == scene.tokens * dim() &&
      (scene.fine.empty() || scene.fine.size() == scene.semantics.size())) {
    return;
  }
  throw Error("scene: expected one that this model's see() made, found " +
              std::string(scene.tokens == 0 ? "an empty one" : "another"));
}

void Model::Impl::check(std::span<const float> out, size_t rows) const {
  if (out.size() == rows * dim()) return;
  throw Error("embedding: expected room for " + std::to_string(rows * dim()) + " floats, found " +
              std::to_string(out.size()));
}

bool Model::Impl::known(std::string_view text, std::span<float> out) const {
  const std::vector<std::string_view>& texts = *decoder.texts;
  auto at = std::ranges::find(texts, text);
  if (at == texts.end()) {
    const std::string lower = language::lower_case(text);
    if (lower != text) at = std::ranges::find(texts, std::string_view(lower));
  }
  if (at == texts.end()) return false;
  std::vector<float> row(out.size());
  decoder.answers.add(static_cast<size_t>(at - texts.begin()), 1, row.data());
  float square = 0;
  for (const float v : row) square += v * v;
  if (!(square > 0)) return false;
  std::ranges::transform(row, out.begin(), [&](float v) { return v / std::sqrt(square); });
  return true;
}

// The question's last hidden states, encoded unless the session holds them already.
Mat<const float> Model::Impl::encode(std::string_view question, Session& session) const {
  Session::Question& q = session.question;
  if (q.model != id || q.text != question) {
    q.model = 0;
    q.text = question;
    text.tokenize(question, q.ids);
    q.hidden.resize(q.ids.size() * dim());
    text.tokens(q.ids, {q.hidden.data(), q.ids.size(), dim()}, session.executor, session.workspace);
    q.model = id;
  }
  return {q.hidden.data(), q.ids.size(), dim()};
}

predictor::Query Model::Impl::query(const Scene& scene, Mat<const float> question,
                                    Sight sight) const {
  predictor::Query query{question,
                         {scene.features.data(), scene.tokens, tower.width()},
                         {scene.semantics.data(), scene.tokens, dim()},
                         tower.grid()};
  if (sight == Sight::fine && !scene.fine.empty())
    query.fine = {scene.fine.data(), scene.tokens, dim()};
  return query;
}

void Model::Impl::predict(const Scene& scene, std::span<const Mat<const float>> questions,
                          Mat<float> out, Session& session, float head_scale, Sight sight) const {
  check(scene);
  const nn::Workspace::Frame frame(session.workspace);
  const auto queries = session.workspace.array<predictor::Query>(questions.size());
  for (size_t i = 0; i < questions.size(); ++i) queries[i] = query(scene, questions[i], sight);
  predictor.forward(queries, out, session.executor, session.workspace, head_scale);
  models::check_embedding(path.native(), {out.data, out.rows * out.cols});
}

void Model::Impl::look_closer(const vision::ImageView& image, Scene& scene,
                              Session& session) const {
  const vision::Preprocess larger = vision::enlarged(preprocess, tower.detail());
  const nn::Workspace::Frame frame(session.workspace);
  const size_t bytes = larger.size * larger.size * 3;
  const std::span<uint8_t> rgb(reinterpret_cast<uint8_t*>(session.workspace.bytes(bytes)), bytes);
  vision::fit_pixels(image, larger, rgb, session.workspace, &session.executor, isa);
  scene.fine.resize(scene.semantics.size());
  tower.look_closer(rgb, {scene.semantics.data(), scene.tokens, dim()},
                    {scene.fine.data(), scene.tokens, dim()}, session.executor, session.workspace);
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const std::filesystem::path& path, const Options& options) {
  try {
    return Model(std::make_unique<Impl>(path, options));
  } catch (const Error& e) {
    // Modules know their shapes, not the file these came from.
    const std::string what = e.what(), name = path.string(), writer = options.writer.string();
    if (what.starts_with(name) || (!writer.empty() && what.starts_with(writer))) throw;
    throw Error(name + ": " + what);
  }
}
Model Model::open(const std::filesystem::path& path) { return open(path, Options{}); }

size_t Model::dim() const { return impl_->dim(); }
std::span<const std::string_view> Model::vocabulary() const { return *impl_->decoder.texts; }
const std::filesystem::path& Model::path() const { return impl_->path; }

Scene Model::see(const vision::ImageView& image, Session& session, Sight sight) const {
  Scene scene;
  see(image, scene, session, sight);
  return scene;
}

void Model::see(const vision::ImageView& image, Scene& scene, Session& session, Sight sight) const {
  const Impl& m = *impl_;
  const nn::Workspace::Frame frame(session.workspace);
  const size_t bytes = m.preprocess.size * m.preprocess.size * 3;
  const std::span<uint8_t> rgb(reinterpret_cast<uint8_t*>(session.workspace.bytes(bytes)), bytes);
  vision::fit_pixels(image, m.preprocess, rgb, session.workspace, &session.executor, m.isa);
  scene.model = m.id;
  scene.tokens = m.tower.tokens();
  scene.features.resize(scene.tokens * m.tower.width());
  scene.semantics.resize(scene.tokens * m.dim());
  scene.seen = vision::seen_share(m.preprocess, image.width, image.height);
  m.tower.forward(rgb, {scene.features.data(), scene.tokens, m.tower.width()},
                  {scene.semantics.data(), scene.tokens, m.dim()}, session.executor,
                  session.workspace);
  scene.fine.clear();
  if (sight == Sight::fine && m.tower.looks_closer()) m.look_closer(image, scene, session);
}

void Model::embed(const Scene& scene, std::span<float> out, Session& session) const {
  const Impl& m = *impl_;
  m.check(out, 1);
  const Mat<const float> hidden = m.encode(m.prompt, session);
  m.predict(scene, {&hidden, 1}, {out.data(), 1, dim()}, session, 1, Sight::coarse);
}

void Model::embed(std::string_view text, std::span<float> out, Session& session) const {
  impl_->check(out, 1);
  impl_->text.embed(text, out, session.executor, session.workspace);
  models::check_embedding(path().native(), out);
}

bool Model::reads_whole(std::string_view text) const {
  const size_t most = impl_->text.max_tokens();
  std::vector<uint32_t> ids;
  impl_->text.tokenizer().encode(text, most + 1, ids);
  return ids.size() <= most;
}

void Model::predict(const Scene& scene, std::string_view question, std::span<float> out,
                    Session& session) const {
  impl_->check(out, 1);
  const Mat<const float> hidden = impl_->encode(question, session);
  impl_->predict(scene, {&hidden, 1}, {out.data(), 1, dim()}, session);
}

void Model::predict(const Scene& scene, std::span<const std::string> questions,
                    std::span<float> out, Session& session) const {
  const Impl& m = *impl_;
  m.check(out, questions.size());
  const nn::Workspace::Frame frame(session.workspace);
  const auto hidden = session.workspace.array<Mat<const float>>(questions.size());
  for (size_t i = 0; i < questions.size(); ++i) {
    const Mat<const float> h = m.encode(questions[i], session);
    const Mat<float> copy = session.workspace.mat<float>(h.rows, h.cols);
    std::copy_n(h.data, h.rows * h.cols, copy.data);
    hidden[i] = copy;
  }
  m.predict(scene, hidden, {out.data(), questions.size(), dim()}, session);
}

void Model::support(const Scene& scene, std::string_view question, std::string_view answer,
                    Support& out, Session& session) const {
  const Impl& m = *impl_;
  m.check(scene);
  const nn::Workspace::Frame frame(session.workspace);
  const Mat<float> target = session.workspace.mat<float>(1, dim());
  // The embedding that this very answer is chosen by.
  if (!m.known(answer, {target.data, dim()})) embed(answer, {target.data, dim()}, session);
  models::check_embedding(path().native(), {target.data, dim()});
  out.grid = m.tower.grid();
  out.places.resize(out.grid * out.grid);
  const predictor::Query query = m.query(scene, m.encode(question, session), Sight::fine);
  out.cosine = predictor::occlusion(m.predictor, query, {target.data, dim()}, out.places,
                                    session.executor, session.workspace);
}

}  // namespace sterna
