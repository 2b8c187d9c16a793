import assert from "node:assert/strict";
import { test } from "node:test";
import { openapi } from "./openapi.ts";
import { routes } from "./routes.ts";

type Operation = { readonly operationId: string; readonly security?: readonly unknown[]; readonly parameters?: readonly { readonly name: string; readonly in: string }[] };
const paths = openapi.paths as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));

test("the description has every route of the server, and no other", () => {
  const described = operations.map(({ path, method }) => `${method} ${path}`).toSorted();
  assert.deepEqual(described, routes.map(({ path, method }) => `${method} ${path}`).toSorted());
});

test("the description says which routes need no token", () => {
  const open = operations.filter(({ operation }) => operation.security?.length === 0).map(({ path }) => path);
  assert.deepEqual(open.toSorted(), routes.filter((route) => route.open === true).map(({ path }) => path).toSorted());
});

test("the description has every question that a route takes", () => {
  for (const { path, method, operation } of operations) {
    const asked = operation.parameters?.filter((parameter) => parameter.in === "query").map(({ name }) => name) ?? [];
    assert.deepEqual(asked, routes.find((route) => route.path === path && route.method === method)?.query ?? [], path);
  }
});

test("the description names each path's parameters, and each operation once", () => {
  for (const { path, operation } of operations) {
    const named = operation.parameters?.filter((parameter) => parameter.in === "path").map(({ name }) => name) ?? [];
    assert.deepEqual(named, [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name), path);
  }
  assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length);
});

test("every reference leads to a schema", () => {
  const names = new Set(Object.keys(openapi.components.schemas));
  const references = [...JSON.stringify(openapi).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? "");
  assert.ok(references.length > 10);
  assert.deepEqual(references.filter((name) => !names.has(name)), []);
});
