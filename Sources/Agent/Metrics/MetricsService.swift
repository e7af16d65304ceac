// SPDX-License-Identifier: Apache-2.0
import Control
import Server
import ServiceLifecycle

/// Serves the metrics as long as the agent runs.
struct MetricsService: Service {
    private let server: HTTPServer

    /// - Throws: ``Refusal`` if nothing can be served there.
    init(_ address: ServerAddress, _ pages: MetricPages) async throws {
        do {
            server = try await HTTPServer(address) { pages.answer($0, $1) }
        } catch {
            throw Refusal(error.cause, advice: error.advice)
        }
    }

    func run() async throws {
        try? await gracefulShutdown()
        await server.stop()
    }
}
