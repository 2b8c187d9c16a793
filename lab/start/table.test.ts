import assert from "node:assert/strict";
import test from "node:test";
import { NAIVE, SAGA } from "./figures.fixture.ts";
import { table, tableHead, tableRow } from "./table.ts";

test("a row a mode; what is not known is not a zero", () => {
  assert.equal(
    table({ naive: NAIVE, saga: SAGA }),
    `
                                  sold         orders  units over-       dupli-       gateway ms        purchase ms        CPU ms per  goodput  primary killed:    RTO ms   RPO
mode          offered accepted     out limited   paid   sold  sold  lost  cated stuck        p50    p99         p50    p99   purchase vs naive     RTO ms first  headline  lost
-------------------------------------------------------------------------------------------------------------------------------------------------------------------------------
naive          40,000    1,020  38,470     510      0      0     3    12      0     ?       0.84   12.3           -      -          -     1.00                ?    >9,000     ?
saga           40,000    1,020  38,470     510  1,000  1,000     0     0      0     0       0.84   12.3        43.3  1,235        2.9     0.88              412     1,235     0
`.slice(1, -1),
  );
});

test("where nothing was killed there is no figure of it", () => {
  assert.match(tableRow("saga", { ...SAGA, primaryKilled: null }), / 0\.88 +- +- +-$/);
});

test("a row that comes early stands under the same head", () => {
  assert.equal([tableHead(), tableRow("saga", SAGA)].join("\n"), table({ saga: SAGA }));
});
