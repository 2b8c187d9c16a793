/** The measure of all things here: a Fastify server that reads the same request and says the same to everybody. */
import fastify from "fastify";

const app = fastify({ logger: false });
app.post("/sales/:sku/purchases", async (_request, reply) => reply.code(409).send({ kind: "sold-out", code: "sold-out", message: "nothing is left" }));
await app.listen({ port: Number(process.env["PORT"]), host: "127.0.0.1" });
console.log("ready empty");
