# Copies of memory for x86-64, System V calling convention: rdi = to, rsi = from, rdx = bytes; rax = to.
# Up to 128 bytes all loads come before all stores, so that the regions may overlap in any way.
    .text
    .p2align 5
    .globl  windlass_copy
    .type   windlass_copy, @function
windlass_copy:
    mov     rax, rdi
    cmp     rdx, 16
    jb      2f
    cmp     rdx, 32
    ja      4f
    movups  xmm0, [rsi]
    movups  xmm1, [rsi + rdx - 16]
    movups  [rdi], xmm0
    movups  [rdi + rdx - 16], xmm1
    ret
    # 0 to 15
2:  cmp     edx, 8
    jae     3f
    cmp     edx, 4
    jae     5f
    cmp     edx, 1
    jb      6f
    movzx   ecx, byte ptr [rsi]
    je      7f
    movzx   r8d, word ptr [rsi + rdx - 2]
    mov     [rdi + rdx - 2], r8w
7:  mov     [rdi], cl
6:  ret
3:  mov     rcx, [rsi]
    mov     r8, [rsi + rdx - 8]
    mov     [rdi], rcx
    mov     [rdi + rdx - 8], r8
    ret
5:  mov     ecx, [rsi]
    mov     r8d, [rsi + rdx - 4]
    mov     [rdi], ecx
    mov     [rdi + rdx - 4], r8d
    ret
    # 33 to 128
4:  cmp     rdx, 128
    ja      8f
    movups  xmm0, [rsi]
    movups  xmm1, [rsi + 16]
    movups  xmm2, [rsi + rdx - 32]
    movups  xmm3, [rsi + rdx - 16]
    cmp     rdx, 64
    jbe     9f
    movups  xmm4, [rsi + 32]
    movups  xmm5, [rsi + 48]
    movups  xmm6, [rsi + rdx - 64]
    movups  xmm7, [rsi + rdx - 48]
    movups  [rdi + 32], xmm4
    movups  [rdi + 48], xmm5
    movups  [rdi + rdx - 64], xmm6
    movups  [rdi + rdx - 48], xmm7
9:  movups  [rdi], xmm0
    movups  [rdi + 16], xmm1
    movups  [rdi + rdx - 32], xmm2
    movups  [rdi + rdx - 16], xmm3
    ret
    # More: forwards, unless `to` begins within `from`.
8:  mov     rcx, rdi
    sub     rcx, rsi
    cmp     rcx, rdx
    jb      11f
    # The last 64 bytes are read first, and written last.
    movups  xmm4, [rsi + rdx - 64]
    movups  xmm5, [rsi + rdx - 48]
    movups  xmm6, [rsi + rdx - 32]
    movups  xmm7, [rsi + rdx - 16]
    lea     r8, [rdi + rdx - 64]
10: movups  xmm0, [rsi]
    movups  xmm1, [rsi + 16]
    movups  xmm2, [rsi + 32]
    movups  xmm3, [rsi + 48]
    movups  [rdi], xmm0
    movups  [rdi + 16], xmm1
    movups  [rdi + 32], xmm2
    movups  [rdi + 48], xmm3
    add     rsi, 64
    add     rdi, 64
    cmp     rdi, r8
    jb      10b
    movups  [r8], xmm4
    movups  [r8 + 16], xmm5
    movups  [r8 + 32], xmm6
    movups  [r8 + 48], xmm7
    ret
    # Backwards; the first 64 bytes are read first, and written last.
11: movups  xmm4, [rsi]
    movups  xmm5, [rsi + 16]
    movups  xmm6, [rsi + 32]
    movups  xmm7, [rsi + 48]
12: movups  xmm0, [rsi + rdx - 16]
    movups  xmm1, [rsi + rdx - 32]
    movups  xmm2, [rsi + rdx - 48]
    movups  xmm3, [rsi + rdx - 64]
    movups  [rdi + rdx - 16], xmm0
    movups  [rdi + rdx - 32], xmm1
    movups  [rdi + rdx - 48], xmm2
    movups  [rdi + rdx - 64], xmm3
    sub     rdx, 64
    cmp     rdx, 64
    ja      12b
    movups  [rdi], xmm4
    movups  [rdi + 16], xmm5
    movups  [rdi + 32], xmm6
    movups  [rdi + 48], xmm7
    ret
    .size   windlass_copy, . - windlass_copy
