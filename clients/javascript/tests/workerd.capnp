# The modules of the test inside workerd. It resolves a package next to the module that imports it.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "tests", worker = (
    compatibilityDate = "2025-01-01",
    modules = [
      (name = "tests/worker.js", esModule = embed "worker.js"),
      (name = "tests/cases.js", esModule = embed "cases.js"),
      (name = "tests/lookups.json", json = embed "../../../tests/vectors/lookups.json"),
      (name = "tests/records.json", json = embed "../../../tests/vectors/records.json"),
      (name = "tests/specs.json", json = embed "../../../tests/vectors/specs.json"),
      (name = "tests/tokens.json", json = embed "../../../tests/vectors/tokens.json"),
      (name = "src/bytes.js", esModule = embed "../src/bytes.js"),
      (name = "src/cache.js", esModule = embed "../src/cache.js"),
      (name = "src/client.js", esModule = embed "../src/client.js"),
      (name = "src/errors.js", esModule = embed "../src/errors.js"),
      (name = "src/index.js", esModule = embed "../src/index.js"),
      (name = "src/keys.js", esModule = embed "../src/keys.js"),
      (name = "src/records.js", esModule = embed "../src/records.js"),
      (name = "src/secrets.js", esModule = embed "../src/secrets.js"),
      (name = "src/settings.js", esModule = embed "../src/settings.js"),
      (name = "src/spec.js", esModule = embed "../src/spec.js"),
      (name = "src/strength.js", esModule = embed "../src/strength.js"),
      (name = "src/tokens.js", esModule = embed "../src/tokens.js"),
      (name = "src/@noble/ciphers/aes.js", esModule = embed "../node_modules/@noble/ciphers/aes.js"),
      (name = "src/@noble/ciphers/_polyval.js", esModule = embed "../node_modules/@noble/ciphers/_polyval.js"),
      (name = "src/@noble/ciphers/utils.js", esModule = embed "../node_modules/@noble/ciphers/utils.js"),
    ],
  ))],
);
