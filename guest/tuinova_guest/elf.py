"""ELF files: which libraries a program needs, and the one tiny program that no package has."""

import struct

_NEEDED, _STRTAB = 1, 5  # tags of the dynamic section
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3  # kinds of segments


def needed_libraries(program: bytes) -> tuple[str | None, list[str]]:
    """Return the loader's path (None for a library) and the sonames that a 64-bit little-endian ELF file asks for."""
    if program[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit ELF file")
    (headers_at,) = struct.unpack_from("<Q", program, 0x20)
    size, count = struct.unpack_from("<HH", program, 0x36)
    segments = [struct.unpack_from("<IIQQQQ", program, headers_at + i * size) for i in range(count)]
    loader = next((_text(program, offset) for kind, _, offset, *_ in segments if kind == _INTERP), None)
    dynamic = next(((offset, length) for kind, _, offset, _, _, length in segments if kind == _DYNAMIC), None)
    if dynamic is None:
        return loader, []
    entries = [struct.unpack_from("<QQ", program, at) for at in range(dynamic[0], sum(dynamic), 16)]
    strings = next(value for tag, value in entries if tag == _STRTAB)
    # The table's address is virtual; its segment says where in the file it is.
    base = next(
        strings - start + offset
        for kind, _, offset, start, _, length in segments
        if kind == _LOAD and start <= strings < start + length
    )
    return loader, [_text(program, base + value) for tag, value in entries if tag == _NEEDED]


def _text(program: bytes, offset: int) -> str:
    return program[offset : program.index(b"\0", offset)].decode()


def setuid_launcher(shell: str, script: str) -> bytes:
    """Return a static x86-64 program that becomes root and runs `shell script its-own-arguments`.

    A shell script can't be set-uid and busybox has no sudo. Who may start it is the file's mode and group.
    """
    # On entry the stack holds argc, argv[0], argv[1] ... 0, environment ...: argc's and argv[0]'s places become the
    # first two arguments of the shell, so nothing has to be copied. The strings follow the 92 bytes of code.
    before_shell, before_script, code_size = 0x36, 0x3D, 0x5C
    script_at, shell_at = code_size, code_size + len(script.encode()) + 1
    code = b"".join(
        [
            bytes.fromhex("488b0c24"),  # mov rcx, [rsp] (argc)
            bytes.fromhex("4885c97447"),  # test rcx, rcx; jz fail
            bytes.fromhex("31ff31f6"),  # xor edi, edi; xor esi, esi
            bytes.fromhex("b8740000000f05"),  # setgroups(0, 0)
            bytes.fromhex("b86a0000000f05"),  # setgid(0)
            bytes.fromhex("b8690000000f05"),  # setuid(0)
            bytes.fromhex("85c0752a"),  # test eax, eax; jnz fail
            bytes.fromhex("488b0c24488d54cc10"),  # mov rcx, [rsp]; lea rdx, [rsp+rcx*8+16] (environment)
            bytes.fromhex("488d3d") + struct.pack("<i", shell_at - before_shell),  # lea rdi, [rip+shell]
            bytes.fromhex("488d05") + struct.pack("<i", script_at - before_script),  # lea rax, [rip+script]
            bytes.fromhex("488944240848893c24"),  # mov [rsp+8], rax; mov [rsp], rdi
            bytes.fromhex("4889e6b83b0000000f05"),  # mov rsi, rsp; execve(rdi, rsi, rdx)
            bytes.fromhex("bf7e000000b83c0000000f05"),  # fail: exit(126)
        ]
    )
    assert len(code) == code_size
    body = code + script.encode() + b"\0" + shell.encode() + b"\0"
    base, headers = 0x400000, 64 + 56
    size = headers + len(body)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)  # PT_LOAD, readable and executable
    return header + segment + body
