/**
 * A parent for the disk's tests: a server was killed on a disk of its own, so that its shared memory is left, and then the disk lost its power,
 * so that nobody can read there which segment that is. Now it waits to be killed.
 */
import { startPostgres } from "../postgres/postgres.ts";
import { createDisk } from "./disk.ts";

const disk = await createDisk({ mib: 256 });
const server = await startPostgres({ place: disk.folder });
const { pid } = server;
await server.crash();
await disk.losePower();
console.log(JSON.stringify({ folder: disk.folder, pid }));
setInterval(() => {}, 60_000);
