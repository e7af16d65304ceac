// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix

/// One client: reads one request, gives one answer, and closes.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: ServerCore
    private var head: HTTPRequestHead?
    private var isAnswered = false
    private var deadline: Scheduled<Void>?

    init(_ server: ServerCore) { self.server = server }

    func handlerAdded(context: ChannelHandlerContext) {
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: server.limits.timeAmount) {
            self.server.tally.note { $0.late += 1 }
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head) where self.head == nil: self.head = head
        // A body is passed over; ReadBound bounds it.
        case .head, .body: break
        case .end:
            guard let head, !isAnswered else { return }
            isAnswered = true
            guard head.headers[canonicalForm: "host"].allSatisfy({ server.address.isNamed(String($0)) }) else {
                return write(.line(403, "ask for this host by a loopback address"), context)
            }
            answer(ServerRequest(head), context)
        }
    }

    /// Whoever answers may block.
    private func answer(_ request: ServerRequest, _ context: ChannelHandlerContext) {
        let server = server
        server.pool.runIfActive(eventLoop: context.eventLoop) { server.answer(request, server.tally.now) }
            .assumeIsolated().whenComplete {
                switch $0 {
                case .success(let answer): self.write(answer, context)
                case .failure: context.close(promise: nil)
                }
            }
    }

    private func write(_ answer: ServerAnswer, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        isAnswered = true
        var headers = HTTPHeaders([
            ("Content-Type", answer.type), ("Content-Length", "\(answer.body.count)"), ("Connection", "close"),
            ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
        ])
        for field in answer.fields { headers.add(name: field.name, value: field.value) }
        let head = HTTPResponseHead(
            version: .http1_1, status: .init(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if self.head?.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(answer.body.buffer))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isAnswered, error is ReadBound.TooLong || error is HTTPParserError else {
            return context.close(promise: nil)
        }
        server.tally.note { $0.malformed += 1 }
        write(
            error is ReadBound.TooLong ? .line(431, "the request is too long") : .line(400, "this is not HTTP"),
            context)
    }
}

/// Bounds what a client sends. Stands before the parser, so that nothing is kept of what is beyond.
final class ReadBound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct TooLong: Error {}

    private var left: Int

    init(_ bytes: Int) { left = bytes }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard left >= 0 else { return context.close(promise: nil) }
        left -= unwrapInboundIn(data).readableBytes
        if left < 0 { context.fireErrorCaught(TooLong()) } else { context.fireChannelRead(data) }
    }
}
