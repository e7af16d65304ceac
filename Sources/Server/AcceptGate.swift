// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Lets the server take a connection only while there is room for it, and only so many in a second. The others wait in
/// the kernel, and cost nothing.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = Channel
    typealias InboundOut = Channel
    typealias OutboundIn = Never

    private let limits: ServerLimits
    private let figures: ServerTally
    private var open = 0
    private var tokens: Int
    private var isWaiting = false
    private var isRefilling = false

    /// Tokens come this often.
    private static let rounds = 10

    init(_ limits: ServerLimits, _ figures: ServerTally) {
        self.limits = limits
        self.figures = figures
        tokens = limits.connectionsPerSecond
    }

    /// The channel asks for its next connection.
    func read(context: ChannelHandlerContext) {
        guard open < limits.connections, tokens > 0 else {
            isWaiting = true
            return refill(context)
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        open += 1
        tokens -= 1
        figures.note {
            $0.accepted += 1
            $0.open += 1
        }
        // Server and connections are on one event loop.
        unwrapInboundIn(data).closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
            self.open -= 1
            self.figures.note { $0.open -= 1 }
            self.goOn(context)
        }
        context.fireChannelRead(data)
    }

    private func goOn(_ context: ChannelHandlerContext) {
        guard isWaiting, open < limits.connections, tokens > 0, context.channel.isActive else { return }
        isWaiting = false
        context.read()
    }

    /// Has tokens come until there are all. An idle server has no timer.
    private func refill(_ context: ChannelHandlerContext) {
        guard !isRefilling, tokens < limits.connectionsPerSecond else { return }
        isRefilling = true
        let interval = TimeAmount.milliseconds(1000 / Int64(Self.rounds))
        context.eventLoop.assumeIsolated().scheduleTask(in: interval) {
            self.isRefilling = false
            guard context.channel.isActive else { return }
            let fresh = max(self.limits.connectionsPerSecond / Self.rounds, 1)
            self.tokens = min(self.tokens + fresh, self.limits.connectionsPerSecond)
            self.refill(context)
            self.goOn(context)
        }
    }
}

/// ``ServerFigures`` that are counted on the event loop and read elsewhere.
final class ServerTally: Sendable {
    private let figures = Mutex(ServerFigures())

    func note(_ body: (inout ServerFigures) -> Void) { figures.withLock { body(&$0) } }

    var now: ServerFigures { figures.withLock { $0 } }
}
