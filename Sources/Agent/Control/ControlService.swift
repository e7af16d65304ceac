// SPDX-License-Identifier: Apache-2.0
import Control
import Logging
import Server
import ServiceLifecycle

/// Serves the control socket as long as the agent runs.
struct ControlService: Service {
    private let server: HTTPServer

    /// - Throws: ``Refusal`` if nothing can be served at the path.
    init(_ path: String, _ pages: ControlPages, _ logger: Logger) async throws {
        var limits = ServerLimits()
        // Those who may not ask are told so; that costs little, and keeps nobody waiting.
        limits.connectionsPerSecond = 1000
        limits.connectionsOfUser = 16
        // For the drops, for who watches counters, and one for flows.
        limits.streams = StreamPlaces.ofDrops + StreamPlaces.ofCounters + 1
        do {
            server = try await HTTPServer(.unix(path: path), isForAll: true, limits: limits, pages: pages)
        } catch {
            throw Refusal(error.cause, advice: error.advice)
        }
        logger.notice("control is served at \(path)")
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            try? await gracefulShutdown()
            await server.stop()
        }
    }
}
