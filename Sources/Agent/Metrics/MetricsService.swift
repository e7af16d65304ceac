// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import Server
import ServiceLifecycle

/// Serves the metrics as long as the agent runs.
struct MetricsService: Service {
    private let address: ServerAddress
    private let pages: MetricPages
    private let logger: Logger
    private let server: HTTPServer?

    /// Any user may hold a loopback port: then the agent goes on without, and tries again.
    ///
    /// - Throws: ``Refusal`` if nothing can be served at a path.
    init(_ address: ServerAddress, _ pages: MetricPages, _ logger: Logger) async throws {
        (self.address, self.pages, self.logger) = (address, pages, logger)
        do {
            server = try await MetricsService.start(address, pages, logger)
        } catch {
            guard case .loopback = address else { throw Refusal(error.cause, advice: error.advice) }
            logger.error("metrics are not served: \(error.cause); trying again every 10 s")
            server = nil
        }
    }

    private static func start(
        _ address: ServerAddress, _ pages: MetricPages, _ logger: Logger
    ) async throws(ServerError) -> HTTPServer {
        let server = try await HTTPServer(address, pages: pages)
        logger.notice("metrics are served at \(address)")
        return server
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            guard let server = await started() else { return }
            try? await gracefulShutdown()
            await server.stop()
        }
    }

    /// nil: the agent ends.
    private func started() async -> HTTPServer? {
        var started = server
        while started == nil {
            do { try await Task.sleep(for: .seconds(10)) } catch { return nil }
            started = try? await MetricsService.start(address, pages, logger)
        }
        return started
    }
}
