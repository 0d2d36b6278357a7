// Holds an AsyncAPI document against the official parser: prints what it finds, and fails where that is an error.
//
//   node check.mjs DOCUMENT      run through script/test, which installs the parser first
//
// The parser resolves the schemas that messages refer to, but of AsyncAPI 3 it does not check them; Ajv does.
import { readFileSync } from "node:fs";
import { Parser, DiagnosticSeverity } from "@asyncapi/parser";
import Ajv2020 from "ajv/dist/2020.js";

const source = process.argv[2];
const errors = [];
let schemas = 0;

const jsonSchema = {
  getMimeTypes: () => ["application/schema+json;version=draft-2020-12"],
  validate: () => [],
  parse({ data, path }) {
    schemas += 1;
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    if (!ajv.validateSchema(data)) {
      errors.push(...ajv.errors.map((e) => `${source}: ${path.join("/")}${e.instancePath} ${e.message}`));
    }
    return data;
  },
};

const parser = new Parser();
parser.registerSchemaParser(jsonSchema);
const { document, diagnostics } = await parser.parse(readFileSync(source, "utf8"), { source });
for (const { severity, code, message, path, range } of diagnostics) {
  const text = `${source}:${range.start.line + 1}: ${code}: ${message} (${path.join("/")})`;
  if (severity === DiagnosticSeverity.Error) errors.push(text);
  else console.log(`${text}; no error`);
}
if (errors.length > 0 || document === undefined || schemas === 0) {
  console.error(errors.join("\n"));
  console.error(`${source}: ${errors.length} errors, ${schemas} schemas seen`);
  process.exit(1);
}
const count = (collection) => collection.all().length;
console.log(
  `${source}: ${count(document.channels())} channels, ${count(document.operations())} operations, ` +
    `${count(document.messages())} messages, ${schemas} schemas, no errors`,
);
